"""Render RESULTS.md from results.json alone: `python benchmarks/report.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
Entry = Mapping[str, Any]
PEERS = {
    "transformerlens4": "transformer-lens",
    "transformerlens3": "transformer-lens",
    "nnsight_worker": "nnsight",
    "plain": "plain nanoGPT",
    "matmul": "F.linear",
    "nanogpt_step": "nanoGPT's train.py",
    "undropped": "ours without dropout",
    "given_back": "ours with memory given back",
}
SECTIONS = {
    "speedup": ("Sweeps", "Speedup over the peer at equal values"),
    "speedup_where_it_matters": (
        "Counting only cells that can have an effect",
        "The peer's time includes only cells from the first differing position on",
    ),
    "matmul_share": ("Share of the machine's matmul rate", "FLOP needed by the plan, per second of the sweep"),
    "step": ("Training steps", "Our time per step over the peer's, with the same precision and batch"),
    "training_share": (
        "Training steps: share of the machine's matmul rate",
        "FLOP of a step per second, compared with bare matrix products in the same precision",
    ),
    "slowdown": ("Forward passes", "Our time over that of a plain nanoGPT forward pass"),
    "memory": ("Memory", "Peak memory above that held after loading, over the budget"),
}


EXPLANATION = (
    "Rendered from results.json by report.py. Ours and the peer run alternately, each in its own process. A ratio is the "
    "median over the pairs, given with its range. A sweep's time covers everything from texts to values, including the clean "
    "run, but not loading and warm-up. *Sampled* means that the peer ran only evenly spaced cells, and its time is "
    "extrapolated by their mean. Comparisons that one machine cannot run are in another machine's section, or not measured."
)


def rendered(entries: Sequence[Entry]) -> str:
    """The whole document, with one part per machine."""
    machines = {_machine(one): None for one in entries}
    parts = [on_one_machine([one for one in entries if _machine(one) == machine]) for machine in machines]
    return "\n\n".join(["# Benchmarks", EXPLANATION, *parts]) + "\n"


def on_one_machine(entries: Sequence[Entry]) -> str:
    """The part of one machine."""
    parts = [f"# {_machine(entries[0])}"]
    for reading, (title, explanation) in SECTIONS.items():
        own = [one for one in entries if one["reading"] == reading]
        if own:
            parts += [f"## {title}", f"{explanation}.", table(own)]
    parts += [plans(entries), problems(entries), versions(entries)]
    return "\n\n".join(part for part in parts if part)


def origin(entry: Entry) -> tuple[str, str]:
    """Name of the comparison, and the machine."""
    return entry["name"], _machine(entry)


def _machine(entry: Entry) -> str:
    here = entry["machine"]
    return (
        f"{here['cpu']}, {here['cores']} cores, {here['memory_gib']} GiB, {here['system']}; {entry['threads']} threads for "
        "every contestant"
    )


def table(entries: Sequence[Entry]) -> str:
    """A table with one row for each measured entry."""
    head = "| case | against | ours | peer | ratio | range (pairs) | promise | largest difference | cells |"
    rows = [row(one) for one in entries if "ratio" in one]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *rows]) if rows else "Nothing measured."


def row(one: Entry) -> str:
    """One row of the table."""
    cells = [
        described(one),
        peer(one),
        quantity(one["ours"], one["unit"]),
        quantity(one["peer"], one["unit"]),
        f"**{one['ratio']:.2f}**",
        f"{one['spread'][0]:.2f} to {one['spread'][1]:.2f} ({one['pairs']})",
        promise(one),
        difference(one),
        how_many(one),
    ]
    return f"| {' | '.join(cells)} |"


def described(one: Entry) -> str:
    """The case with the size of its batch."""
    differs = f", differing from {one['first_difference']}" if one["first_difference"] else ""
    return f"{one['case']} (B={one['batch']}, T={one['length']}{differs})"


def peer(one: Entry) -> str:
    """The peer, with its version if known."""
    package = PEERS[one["peer_name"]]
    version = one.get("versions", {}).get(one["peer_name"], {}).get(package)
    return f"{package} {version}" if version else package


def quantity(value: float, unit: str) -> str:
    """A number with a readable unit."""
    if unit == "FLOP/s":
        return f"{value / 1e9:,.0f} GFLOP/s"
    if unit == "bytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.2f} s" if value >= 1 else f"{1000 * value:,.1f} ms"


def promise(one: Entry) -> str:
    """The promise, and whether it was kept."""
    if one["promise"] is None:
        return ""
    return f"{'at most' if one['at_most'] else 'at least'} {one['promise']:g}: {'kept' if one['met'] else 'MISSED'}"


def difference(one: Entry) -> str:
    """The largest difference between values, and the largest value."""
    if one["largest_difference"] is None:
        return ""
    return f"{one['largest_difference']:.1e} (values up to {one['largest_value']:.1f})"


def how_many(one: Entry) -> str:
    """Number of cells, and of those that the peer ran."""
    if not one["cells"] or one["reading"] == "matmul_share":
        return f"{one['cells']:,}" if one["cells"] else ""
    run, cells = one["cells_run_by_peer"], one["cells"]
    return f"{cells:,}" if run == cells else f"{cells:,}, sampled: {run:,}"


def plans(entries: Sequence[Entry]) -> str:
    """The plans of our sweeps."""
    found = {one["case"]: one for one in entries if one.get("plan")}
    head = "| case | cells in the plan | needed | a plain loop | share | planned memory | measured above loading |"
    rows = [
        f"| {name} | {plan['cells']:,} | {plan['needed_flops'] / 1e9:,.1f} GFLOP | {plan['plain_flops'] / 1e9:,.1f} GFLOP | "
        f"{plan['needed_flops'] / plan['plain_flops']:.1%} | {plan['peak_bytes'] / 1e6:,.0f} MB | {measured(one)} |"
        for name, one in found.items()
        for plan in [one["plan"]]
    ]
    return "\n".join(["## Plans\n", head, "|---|---|---|---|---|---|---|", *rows]) if rows else ""


def measured(one: Entry) -> str:
    """Our peak memory above that held after loading."""
    above = one["peak_above_loaded"]["ours"]
    return "" if above is None else f"{above / 1e6:,.0f} MB"


def problems(entries: Sequence[Entry]) -> str:
    """Comparisons that did not run, failed, or ran on a busy machine."""
    lines = [f"- {one['name']}: not run: {one['not_run']}" for one in entries if "not_run" in one]
    lines += [f"- {one['name']}: failed: {one['failed']}" for one in entries if "failed" in one]
    lines += [
        f"- {one['name']}: measured while other processes kept {one['load_of_others']:.2f} cores busy"
        for one in entries
        if (one.get("load_of_others") or 0) > 0.15
    ]
    return "\n".join(["## Not measured, or measured on a busy machine\n", *dict.fromkeys(lines)]) if lines else ""


def versions(entries: Sequence[Entry]) -> str:
    """The versions of all contestants, and the dates."""
    found = {name: packages for one in entries for name, packages in one.get("versions", {}).items()}
    lines = [
        f"- {name}: " + ", ".join(f"{what} {which}" for what, which in packages.items())
        for name, packages in found.items()
    ]
    days = sorted({one["date"][:10] for one in entries})
    commits = sorted({one["commit"] for one in entries})
    lines.append(f"- measured {' and '.join(dict.fromkeys((days[0], days[-1])))}, at {', '.join(commits)}")
    return "\n".join(["## Versions\n", *lines])


def write() -> None:
    """Write RESULTS.md next to results.json."""
    results = json.loads((FOLDER / "results.json").read_text())
    (FOLDER / "RESULTS.md").write_text(rendered(results["entries"]))


if __name__ == "__main__":
    write()
