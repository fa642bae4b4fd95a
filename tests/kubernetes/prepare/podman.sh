# shellcheck shell=bash
# To be sourced: builds images with podman, which has a storage of its own in the cache, and saves them into archives.
# Expects `cache` and `root`, the checkout.

# shellcheck source=tests/compose/images.sh
. "$root/tests/compose/images.sh"
LAYERS=true
mkdir -p "$cache/standins" "$cache/podman" "$cache/empty"
export CONTAINERS_STORAGE_CONF=$cache/podman/storage.conf
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$cache/podman/images" "$cache/podman/run" \
  > "$CONTAINERS_STORAGE_CONF"

of_lines() { # <name of the image> <folder of the context> <line of its Containerfile>...
  printf '%s\n' "${@:3}" | build "$1" "$2" -f -
}

save() { # <name of the archive> <name of an image>...
  rm -f "$cache/$1.tar"
  podman save -q --multi-image-archive -o "$cache/$1.tar.new" "${@:2}"
  mv "$cache/$1.tar.new" "$cache/$1.tar"
}
