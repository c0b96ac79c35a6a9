"""Makes everything that the demo ships: `python -m demo.make --cache FOLDER [--seed N] [STEP ...]`.

Steps, in order: images (draw and keep in the cache), sheets, base, text, experts, check.
"""

from __future__ import annotations

import argparse
import logging
import os
from multiprocessing import get_context
from pathlib import Path

from demo.drawing.material import load, save
from demo.sheets import write_sheet
from demo.subjects import SUBJECTS, TASKS

FOLDER = Path(__file__).resolve().parent
STEPS = ("images", "sheets", "base", "text", "experts", "check")
SEED = 7
log = logging.getLogger("demo.make")


def _image(name: str, cache: Path, seed: int) -> None:
    save(TASKS[name][1](seed), cache / f"{name}.npz")


def _quietly(level: int = logging.INFO) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("demo").setLevel(level)


def _images(cache: Path, seed: int) -> None:
    with get_context("spawn").Pool(2) as pool:
        pool.starmap(_image, [(name, cache, seed) for name in TASKS], chunksize=1)


def _sheets(cache: Path, seed: int) -> None:
    for subject in SUBJECTS:
        write_sheet(load(subject, cache / f"{subject.name}.npz"), FOLDER / "tasks" / subject.name)


def _base_worker(rank: int, cache: Path, seed: int) -> None:
    from demo import training

    _quietly()
    training.train_base(rank, cache, seed)


def _base(cache: Path, seed: int) -> None:
    from demo import network, training

    network.write_tokenizer()
    (cache / "meeting").unlink(missing_ok=True)
    context = get_context("spawn")
    workers = [context.Process(target=_base_worker, args=(rank, cache, seed)) for rank in range(training.PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("Training the base failed; the reason stands above.")


def _text(cache: Path, seed: int) -> None:
    from demo import network, training

    log.info(
        "smallest cosine of a prompt with its class: %.4f",
        training.fit_text(cache, seed, network.MODELS / "base.safetensors"),
    )


def _expert(name: str, cache: Path, seed: int) -> tuple[str, float]:
    from demo import network, training

    _quietly()
    models = network.MODELS
    return name, training.train_expert(name, cache, seed, models / "base.safetensors", models / f"{name}.safetensors")


def _experts(cache: Path, seed: int) -> None:
    with get_context("spawn").Pool(2) as pool:
        jobs = [(name, cache, seed) for name in ("digits", "signs", "flags", "letters", "surfaces", "faults")]
        for name, value in pool.starmap(_expert, jobs, chunksize=1):
            log.info("expert %s: held-out accuracy %.3f", name, value)


def _check(cache: Path, seed: int) -> None:
    """Log the held-out accuracy of every model on every task."""
    from demo import network, training

    for name in ("base", *TASKS):
        model = network.create(network.MODELS / f"{name}.safetensors").eval()
        row = [
            training.accuracy(model, load(subject, cache / f"{subject.name}.npz").held, network.head(model, subject))
            for subject in SUBJECTS
        ]
        log.info("%-9s %s", name, "  ".join(f"{s.name} {v:.3f}" for s, v in zip(SUBJECTS, row, strict=True)))


def main() -> None:
    """Run the named steps, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder for drawn images and the base before fp16")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; default: all")
    arguments = parser.parse_args()
    unknown = [step for step in arguments.steps if step not in STEPS]
    if unknown:
        parser.error(f"Unknown step '{unknown[0]}'. Steps are {', '.join(STEPS)}.")
    os.environ["OMP_NUM_THREADS"] = "1"
    _quietly()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    actions = {
        "images": _images,
        "sheets": _sheets,
        "base": _base,
        "text": _text,
        "experts": _experts,
        "check": _check,
    }
    for step in STEPS:
        if not arguments.steps or step in arguments.steps:
            log.info("step %s", step)
            actions[step](arguments.cache.resolve(), arguments.seed)


if __name__ == "__main__":
    main()
