"""What a trial costs: `benchmarks/results/trial_cost.json`."""

from __future__ import annotations

from benchmarks.tables.results import Results, seconds, table, taken

COMMAND = "python -m benchmarks.trial_cost"
WAYS = {
    "ours": "Mergescape: merged into the network in memory, samples kept",
    "pickles": "load base and experts as pickles, merge, decode the data (as MAP's code does)",
    "files": "merge to a checkpoint on disk, load it, decode the data (as tools on top of mergekit do)",
}


def demo(results: Results) -> str:
    """Parts of a trial of the built-in demo."""
    found = results.of("trial_cost", COMMAND)
    m = found["medians"]
    rows = [
        [title, seconds(m[part])]
        for part, title in (("merge", "merging"), ("forward", "forward passes"), ("other", "everything else"))
    ]
    return (
        f"One trial of the built-in demo ({found['experts']} experts, {found['parameters']:,} parameters, "
        f"{found['samples']:,} samples), medians of {len(found['raw'])}:\n\n"
        + table(["part", "time"], rows)
        + f"\nMerging takes {100 * found['merge_share_of_forward']:.1f} % of the forward passes; a trial takes "
        f"{found['trial_over_bare']:.2f} times the bare forward passes on tensors in memory, in turns in one run.\n\n"
        + taken(found, "trial_cost")
    )


def vit(results: Results) -> str:
    """The same for open_clip's ViT-B-32."""
    found = results.of("trial_cost", f"{COMMAND} --part vit", "vit")
    m = found["medians"]
    names = {"merge": "merging", "forward": "forward passes", "other": "everything else"}
    rows = [[title, seconds(m[part])] for part, title in names.items() if part in m]
    return (
        f"One trial of open_clip's {found['model']} at random weights ({found['experts']} experts, "
        f"{found['parameters']:,} merged parameters, {found['samples']:,} samples), medians of {len(found['raw'])}:\n\n"
        + table(["part", "time"], rows)
        + f"\nA trial takes {found['trial_over_bare']:.2f} times the bare forward passes.\n\n"
        + taken(found, "trial_cost")
    )


def reload(results: Results) -> str:
    """Against loading everything again for every merge."""
    found = results.of("trial_cost", f"{COMMAND} --part reload", "reload")
    rows = []
    for way, title in WAYS.items():
        times = 1.0 if way == "ours" else found["times_as_long_as_ours"][way]
        rows.append([title, seconds(found["medians"][way]), f"{times:.1f} ×"])
    return (
        f"ViT-B-32, {found['experts']} experts, {found['samples']:,} samples, one merge and its measurement, in "
        "turns:\n\n"
        + table(["way", "time", "of ours"], rows)
        + "\nThe merge inside `files` is ours too; what the others load comes from a warm file cache.\n\n"
        + taken(found, "trial_cost")
    )


def memory(results: Results) -> str:
    """How much memory a study of many experts takes."""
    found = results.of("trial_cost", f"{COMMAND} --part memory", "memory")
    rows = [[step, f"{value:.2f} GB"] for step, value in found["peak_by_step_gb"].items()]
    rows.append(["after one trial", f"{found['peak_resident_gb']:.2f} GB"])
    return (
        f"{found['experts']} experts of ViT-B-32 ({found['parameters']:,} merged parameters), {found['samples']:,} "
        "samples, float32; peak resident memory of the process (memory-mapped pages counted):\n\n"
        + table(["after", "peak"], rows)
        + "\n"
        + taken(found, "trial_cost")
    )


def batched(results: Results) -> str:
    """Whether several models in one forward pass pay on a processor."""
    found = results.of("trial_cost", f"{COMMAND} --part batched", "batched")
    rows = [[how, seconds(value)] for how, value in found["processor_seconds_per_model"].items()]
    return (
        "Several coefficient vectors in one forward pass (`torch.func.vmap`), demo, one thread, processor time:\n\n"
        + table(["how", "per model"], rows)
        + f"\nThe best batched way takes {found['best_of_batched_over_one_at_a_time']:.2f} times the time of one after "
        "the other, so trials run one after the other on a CPU.\n\n" + taken(found, "trial_cost")
    )


def narrow(results: Results) -> str:
    """What directions in half precision cost, on the demo."""
    found = results.of("narrow_directions", "python -m benchmarks.narrow_directions")
    rows = [
        [
            f"`{method}`, {kind}",
            f"{100 * one['accuracy_mean']:.2f}",
            f"{100 * one['accuracy_most']:.2f}",
            f"{one['answers_changed']} of {one['answers']:,}",
            f"{100 * one['logits_relative']:.2f} %",
            f"{one['bytes'] / one['bytes_float32']:.2f}",
        ]
        for kind, methods in found["kinds"].items()
        for method, one in methods.items()
    ]
    head = ["directions", "accuracy, mean", "accuracy, most", "answers changed", "logits off by", "of the memory"]
    return (
        f"The same {found['points']} random merges of {found['experts']} experts on {found['tasks']} tasks, with "
        "directions in half precision against float32; accuracy in points:\n\n"
        + table(head, rows)
        + "\n"
        + taken(found, "narrow_directions")
    )


def cuda(results: Results) -> str:
    """The same on a GPU: the demo, a ViT-B-32, and against loading everything again."""
    command = f"{COMMAND} --device cuda --out benchmarks/results/trial_cost_cuda.json"
    small = results.of("trial_cost_cuda", command)
    large, again = (results.of("trial_cost_cuda", command, part) for part in ("vit", "reload"))
    rows = [
        [
            f"{title} ({found['experts']} experts, {found['parameters']:,} merged parameters, {found['samples']:,} "
            "samples)",
            *(seconds(found["medians"][part]) for part in ("merge", "forward", "other")),
            f"{found['trial_over_bare']:.2f} ×",
        ]
        for title, found in (("the demo", small), (large["model"], large))
    ]
    ways = [
        [title, seconds(again["medians"][way]), f"{again['medians'][way] / again['medians']['ours']:.1f} ×"]
        for way, title in WAYS.items()
    ]
    return (
        f"On one {small['machine']['gpu']}, forward passes in the precision that is found faster there:\n\n"
        + table(["a trial of", "merging", "forward passes", "everything else", "of the bare passes"], rows)
        + f"\n{large['model']}, {again['experts']} experts, {again['samples']:,} samples, one merge and its "
        "measurement, in turns (the others in bfloat16):\n\n"
        + table(["way", "time", "of ours"], ways)
        + "\n"
        + taken(small, "trial_cost_cuda")
    )
