"""Writes the n8n flows into n8n_flows/FWAI_Internal; the same source gives the same bytes.

python scripts/n8n/build.py [--check]
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.n8n import chores, incoming, outgoing  # noqa: E402
from scripts.n8n.nodes import Flow  # noqa: E402

FLOWS: Final = ROOT / "n8n_flows" / "FWAI_Internal"
MAKERS: Final[Mapping[str, Callable[[], Flow]]] = {
    "00-setup.json": chores.setup,
    "01-outbound-from-webhook.json": outgoing.outbound_from_webhook,
    "02-outbound-from-table.json": outgoing.outbound_from_table,
    "03-call-ended-to-table.json": incoming.call_ended,
    "04-missed-call-callback.json": incoming.missed_call,
    "05-callback-reminder.json": chores.callback_reminder,
    "06-demo-booked.json": incoming.demo_booked,
    "07-failed-call-retry.json": incoming.retry,
    "08-daily-report.json": chores.daily_report,
    "09-human-handoff-alert.json": incoming.handoff,
    "10-errors.json": chores.errors,
    "router.json": incoming.router,
}


def texts() -> dict[str, str]:
    """Return every file's text by its name."""
    return {name: maker().text() for name, maker in MAKERS.items()}


def main() -> int:
    """Write the files; with --check only say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file differs")
    check = parser.parse_args().check
    differ = []
    for name, text in texts().items():
        path = FLOWS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            differ.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    verb = "differs" if check else "written"
    sys.stdout.writelines(f"{verb}: {name}\n" for name in differ)
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
