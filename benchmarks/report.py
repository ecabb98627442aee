"""RESULTS.md from results.json, and from nothing else: `python benchmarks/report.py`."""

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
    "speedup": ("Sweeps", "How many times faster than the peer, equal values"),
    "speedup_where_it_matters": (
        "Counting only cells that can have an effect",
        "The peer's seconds are counted on the cells from the first difference on",
    ),
    "matmul_share": ("Share of the machine's matmul rate", "Operations that the plan needs, per second of the sweep"),
    "step": ("Training steps", "How many times the seconds of the other's step, with the same precision and batch"),
    "training_share": (
        "Training steps: share of the machine's matmul rate",
        "Operations of a step per second, beside the products alone in the same arithmetic",
    ),
    "slowdown": ("Forward passes", "How many times the seconds of a plain nanoGPT forward"),
    "memory": ("Memory", "The most memory held above what was held after loading, over the budget"),
}


EXPLANATION = (
    "Rendered from results.json by report.py. Ours and the peer run in turn, each in a process of its own; a ratio is the "
    "median over the pairs, with the least and the greatest beside it. A sweep's time runs from texts to values and "
    "includes the clean run; loading and a warm-up do not count. *Sampled* means that the peer ran evenly spaced cells, "
    "whose mean stands for all. What one machine could not show is in the part of another, or is not measured."
)


def rendered(entries: Sequence[Entry]) -> str:
    """The whole document: one part a machine."""
    places = {_place(one): None for one in entries}
    parts = [on_one_machine([one for one in entries if _place(one) == place]) for place in places]
    return "\n\n".join(["# Benchmarks", EXPLANATION, *parts]) + "\n"


def on_one_machine(entries: Sequence[Entry]) -> str:
    """All that was measured on one machine."""
    parts = [f"# {_place(entries[0])}"]
    for reading, (title, explanation) in SECTIONS.items():
        own = [one for one in entries if one["reading"] == reading]
        if own:
            parts += [f"## {title}", f"{explanation}.", table(own)]
    parts += [plans(entries), problems(entries), versions(entries)]
    return "\n\n".join(part for part in parts if part)


def origin(entry: Entry) -> tuple[str, str]:
    """What was measured, and on what machine."""
    return entry["name"], _place(entry)


def _place(entry: Entry) -> str:
    here = entry["machine"]
    return (
        f"{here['cpu']}, {here['cores']} cores, {here['memory_gib']} GiB, {here['system']}; {entry['threads']} threads for "
        "every contestant"
    )


def table(entries: Sequence[Entry]) -> str:
    """One row for each entry that was measured."""
    head = "| case | against | ours | peer | ratio | spread | promise | largest difference | cells |"
    rows = [row(one) for one in entries if "ratio" in one]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *rows]) if rows else "Nothing measured."


def row(one: Entry) -> str:
    """An entry as a line of the table."""
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
    """The case with its texts."""
    differs = f", differing from {one['first_difference']}" if one["first_difference"] else ""
    return f"{one['case']} (B={one['batch']}, T={one['length']}{differs})"


def peer(one: Entry) -> str:
    """The peer with its version."""
    package = PEERS[one["peer_name"]]
    version = one.get("versions", {}).get(one["peer_name"], {}).get(package)
    return f"{package} {version}" if version else package


def quantity(value: float, unit: str) -> str:
    """A number with its unit, at a size that can be read."""
    if unit == "FLOP/s":
        return f"{value / 1e9:,.0f} GFLOP/s"
    if unit == "bytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.2f} s" if value >= 1 else f"{1000 * value:,.1f} ms"


def promise(one: Entry) -> str:
    """What was promised, and whether it was kept."""
    if one["promise"] is None:
        return ""
    return f"{'at most' if one['at_most'] else 'at least'} {one['promise']:g}: {'kept' if one['met'] else 'MISSED'}"


def difference(one: Entry) -> str:
    """How far apart any two values are, and how large values are."""
    if one["largest_difference"] is None:
        return ""
    return f"{one['largest_difference']:.1e} (values up to {one['largest_value']:.1f})"


def how_many(one: Entry) -> str:
    """Cells, and how many of them the peer ran."""
    if not one["cells"] or one["reading"] == "matmul_share":
        return f"{one['cells']:,}" if one["cells"] else ""
    run, cells = one["cells_run_by_peer"], one["cells"]
    return f"{cells:,}" if run == cells else f"{cells:,}, sampled: {run:,}"


def plans(entries: Sequence[Entry]) -> str:
    """What the plans of our sweeps said."""
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
    """Memory that our process held above what it held after loading."""
    above = one["peak_above_loaded"]["ours"]
    return "" if above is None else f"{above / 1e6:,.0f} MB"


def problems(entries: Sequence[Entry]) -> str:
    """What did not run, what failed, and what was measured on a busy machine."""
    lines = [f"- {one['name']}: not run: {one['not_run']}" for one in entries if "not_run" in one]
    lines += [f"- {one['name']}: failed: {one['failed']}" for one in entries if "failed" in one]
    lines += [
        f"- {one['name']}: measured while other processes kept {one['load_of_others']:.2f} cores busy"
        for one in entries
        if (one.get("load_of_others") or 0) > 0.15
    ]
    return "\n".join(["## Not measured, or not well\n", *dict.fromkeys(lines)]) if lines else ""


def versions(entries: Sequence[Entry]) -> str:
    """Which versions took part, and when."""
    found = {name: told for one in entries for name, told in one.get("versions", {}).items()}
    lines = [
        f"- {name}: " + ", ".join(f"{what} {which}" for what, which in told.items()) for name, told in found.items()
    ]
    days = sorted({one["date"][:10] for one in entries})
    commits = sorted({one["commit"] for one in entries})
    lines.append(f"- measured {' and '.join(dict.fromkeys((days[0], days[-1])))}, at {', '.join(commits)}")
    return "\n".join(["## Versions\n", *lines])


def write() -> None:
    """RESULTS.md beside results.json."""
    results = json.loads((FOLDER / "results.json").read_text())
    (FOLDER / "RESULTS.md").write_text(rendered(results["entries"]))


if __name__ == "__main__":
    write()
