"""Volumes of the test cluster: folders of its nodes, as a storage class without a provisioner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Of those that are released, none is used again: there are as many as all tests together want.
VOLUMES_PER_NODE = 40
CLASS: dict[str, Any] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Delete",
}


def objects(node: str, folder: Path) -> str:
    """Return, for kubectl, the storage class and the volumes of a node, and make their folders."""
    volumes = []
    for number in range(VOLUMES_PER_NODE):
        place = folder / "volumes" / str(number)
        place.mkdir(parents=True)
        volumes.append(_volume(f"{node}-{number}", node, place))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [CLASS, *volumes]})


def _volume(name: str, node: str, place: Path) -> dict[str, Any]:
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }
