# A bad and a good example of each rule in python.yaml; `semgrep --test` reads the comments. Nothing runs this.
import hmac
import subprocess

import yaml


def examples(connection, name, command, text, log, settings, client, token, given, http, escaped, socket_address):
    # ruleid: sql-from-strings
    connection.execute(f"SELECT * FROM orders WHERE customer_id = '{name}'")
    # ok: sql-from-strings
    connection.execute("SELECT * FROM orders WHERE customer_id = %s", [name])

    # ruleid: shell
    subprocess.run(command, shell=True)
    # ok: shell
    subprocess.run([command, "--help"])

    # ruleid: unsafe-yaml
    yaml.load(text, yaml.Loader)
    # ok: unsafe-yaml
    yaml.safe_load(text)

    # ruleid: unverified-tls
    http.get("https://localhost", verify=False)
    # ok: unverified-tls
    http.get("https://localhost", verify="ca.pem")

    # ruleid: listens-everywhere
    client.listen("0.0.0.0:50051")
    # ok: listens-everywhere
    client.listen("127.0.0.1:50051")

    # ruleid: secret-in-log
    log.info("started", settings=settings)
    # ruleid: secret-in-log
    log.info("started", key=settings.token_keys.get_secret_value())
    # ok: secret-in-log
    log.info("started", settings=settings.shown())
    # ok: secret-in-log
    log.info("started", address=settings.listen)

    # ruleid: unescaped-print
    print(text)
    # ok: unescaped-print
    print(escaped(text))

    # ruleid: secret-compared-with-equals
    if token == given:
        return None
    # ok: secret-compared-with-equals
    if hmac.compare_digest(token, given):
        return None

    # ruleid: envoy-admin-on-tcp
    tcp = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}}}
    # ruleid: envoy-admin-on-tcp
    made = {"admin": {"address": socket_address(given)}, "node": {}}
    # ok: envoy-admin-on-tcp
    pipe = {"admin": {"address": {"pipe": {"path": "admin.sock", "mode": 0o600}}}}
    return tcp, made, pipe
