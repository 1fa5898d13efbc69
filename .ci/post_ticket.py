"""Post one ticket to a running server and check the answer."""

import json
import sys
import time
import urllib.error
import urllib.request

_SECONDS = 300  # the server trains its first model before it listens


def main(url: str) -> None:
    """Wait for the server at `url`, then post."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                print("readyz:", answer.read().decode())
            break
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                sys.exit(f"{url} did not answer within {_SECONDS} s")
            time.sleep(1)
    body = json.dumps({"text": "Agents cannot log in since morning, all 60 of them", "region": "UAE"}).encode()
    request = urllib.request.Request(f"{url}/api/v1/route", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        reply = json.load(answer)
    print("route:", json.dumps(reply, indent=2))
    expected = {"severity": "P0", "owner": "Ozonetel", "queue": "General", "decided_by": "model"}
    wrong = {key: reply[key] for key in expected if reply[key] != expected[key]}
    if wrong or not reply["escalation"]:
        sys.exit(f"unexpected answer: {wrong}")


if __name__ == "__main__":
    main(sys.argv[1])
