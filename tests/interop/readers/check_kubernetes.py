"""Checks a document against the schemas of Kubernetes; prints what it says of its array, as JSON.

Usage: check_kubernetes.py DOCUMENT
"""

import json
import sys
from pathlib import Path

import kubernetes_validate
import yaml

(document,) = yaml.safe_load_all(Path(sys.argv[1]).read_text())
versions = {"latest": kubernetes_validate.latest_version(), "oldest": "1.29"}
for version in versions.values():
    kubernetes_validate.validate(document, version, strict=True)
(container,) = document["spec"]["template"]["spec"]["containers"]
found = {
    "completions": document["spec"]["completions"],
    "mode": document["spec"]["completionMode"],
    "environment": {each["name"]: each["value"] for each in container["env"]},
    "args": container["args"],
}
json.dump(found, sys.stdout)
