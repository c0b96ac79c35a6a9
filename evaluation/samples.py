"""Which samples a task uses, and their preprocessed inputs: drawn once, recorded, and the same ever after."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.data.source import Item, Sample, Source, digest
from evaluation.errors import EvaluationError
from evaluation.task import SPLITS, TaskSpec

RECORD = 1
CHUNK = 64

# Where a split looks for samples when the data are divided into folders: the first that is there.
_PREFERRED = {
    "calibration": ("calibration", "train", "val", "test"),
    "validation": ("val", "train", "test", "calibration"),
    "test": ("test", "val", "train", "calibration"),
}


class Preprocessor(Protocol):
    """The part of a model that samples need: `preprocessing` names everything that shapes the inputs."""

    @property
    def preprocessing(self) -> str: ...
    def preprocess(self, samples: Sequence[Sample]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Drawn:
    """The samples of one split: ids, class numbers, and SHA-256 of what each shows in the data; `spoiled` names what is
    done to them afterwards."""

    ids: tuple[str, ...]
    targets: tuple[int, ...]
    digests: tuple[str, ...]
    spoiled: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over digests and targets in their order, and what is done to the samples."""
        text = "\n".join(f"{each} {target}" for each, target in zip(self.digests, self.targets, strict=True))
        return hashlib.sha256((text + self.spoiled).encode()).hexdigest()


@dataclass(frozen=True)
class Samples:
    """Every split of a task, how many exact copies were left out while drawing them, and what could not be read."""

    splits: Mapping[str, Drawn]
    duplicates: int
    unreadable: tuple[str, ...] = ()

    def notes(self, task: str) -> tuple[str, ...]:
        """What was left out, as sentences."""
        said = []
        if self.duplicates:
            said.append(f"{self.duplicates} exact copies of other samples were left out of '{task}'.")
        if self.unreadable:
            first = self.unreadable[0]
            said.append(f"{len(self.unreadable)} samples of '{task}' cannot be read and were skipped, first '{first}'.")
        return tuple(said)


def draw(spec: TaskSpec, source: Source, seed: int) -> Samples:
    """Choose the samples of every split: disjoint, without exact copies, classes in the data's proportions.

    A sample's place depends on the seed and its own id only. Test samples are taken from one end and the
    others from the other, so that more of one kind do not exchange the other.
    Raises: EvaluationError when there are fewer samples than asked for.
    """
    pools = _pools(source.items, seed)
    seen: set[str] = set()
    splits: dict[str, Drawn] = {}
    duplicates = 0
    unreadable: list[str] = []
    for split in ("validation", "calibration", "test"):
        wanted = spec.samples.get(split, 0)
        if not wanted:
            continue
        pool = next(name for name in (*_PREFERRED[split], "") if name in pools)
        queue = pools[pool]
        taken: list[tuple[Item, str]] = []
        while len(taken) < wanted:
            if not queue:
                raise _too_few(spec, source, split, len(taken), duplicates, len(unreadable))
            item = queue.pop(-1 if split == "test" else 0)
            try:
                shown = digest(source.read(item.id))
            except EvaluationError:
                if spec.unreadable != "skip":
                    raise
                unreadable.append(item.id)
                continue
            if shown in seen:
                duplicates += 1
                continue
            seen.add(shown)
            taken.append((item, shown))
        splits[split] = Drawn(
            tuple(item.id for item, _ in taken),
            tuple(item.target for item, _ in taken),
            tuple(shown for _, shown in taken),
        )
    return Samples({name: splits[name] for name in SPLITS if name in splits}, duplicates, tuple(unreadable))


def recorded(spec: TaskSpec, source: Source, seed: int, cache: Path) -> Samples:
    """`draw`, written to the cache folder as JSON the first time and read from there afterwards.

    source: the data as they are. A corrupted copy of a task is drawn from the same data: it has the same samples.
    """
    samples = _recorded(spec, source, seed, cache)
    if spec.corruption is None:
        return samples
    splits = {name: replace(one, spoiled=f"\n{spec.corruption} {seed}") for name, one in samples.splits.items()}
    return replace(samples, splits=splits)


def _recorded(spec: TaskSpec, source: Source, seed: int, cache: Path) -> Samples:
    asked: dict[str, object] = {
        "record": RECORD,
        "seed": seed,
        "samples": {split: spec.samples[split] for split in SPLITS if spec.samples.get(split)},
        "data": source.fingerprint,
    }
    if spec.unreadable == "skip":
        asked["unreadable"] = "skip"
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    path = cache / spec.folder / f"samples-{key}.json"
    known = _read_record(path, asked)
    if known is not None:
        return known
    samples = draw(spec, source, seed)
    facts = {
        **asked,
        "duplicates_left_out": samples.duplicates,
        "unreadable_left_out": samples.unreadable,
        "splits": {
            name: {"ids": drawn.ids, "targets": drawn.targets, "digests": drawn.digests}
            for name, drawn in samples.splits.items()
        },
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return samples


def preprocessed(
    spec: TaskSpec,
    split: str,
    drawn: Drawn,
    source: Source,
    model: Preprocessor,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """Inputs (n, ...) of the drawn samples, memory-mapped from a .npy that is made once per preprocessing."""
    key = hashlib.sha256(f"{RECORD} {drawn.fingerprint} {model.preprocessing}".encode()).hexdigest()[:16]
    path = cache / spec.folder / f"{split}-{key}.npy"
    inputs = _open_inputs(path, len(drawn.ids))
    if inputs is None:
        with replacing(path) as temporary:
            _write_inputs(temporary, drawn, source, model, progress)
        inputs = _open_inputs(path, len(drawn.ids))
    if inputs is None:
        raise EvaluationError(f"Cached inputs '{path}' cannot be read back.", "Is the disk full?")
    return inputs


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes it, complete and on disk, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _pools(items: Sequence[Item], seed: int) -> dict[str, list[Item]]:
    """Items by pool, in seeded order. Every stretch of a pool has its classes in proportion: item k of the
    m of a class stands at (k + jitter) / m."""
    luck = {item.id: hashlib.sha256(f"{seed}\0{item.id}".encode()).digest() for item in items}
    pools: dict[str, list[Item]] = {}
    for pool in sorted({item.pool for item in items}):
        places: dict[str, tuple[float, bytes]] = {}
        by_class: dict[int, list[str]] = {}
        for item in items:
            if item.pool == pool:
                by_class.setdefault(item.target, []).append(item.id)
        for ids in by_class.values():
            ids.sort(key=luck.__getitem__)
            for rank, each in enumerate(ids):
                jitter = int.from_bytes(luck[each][:6], "big") / 2**48
                places[each] = ((rank + jitter) / len(ids), luck[each])
        members = [item for item in items if item.pool == pool]
        pools[pool] = sorted(members, key=lambda item: places[item.id])
    return pools


def _too_few(spec: TaskSpec, source: Source, split: str, found: int, duplicates: int, skipped: int) -> EvaluationError:
    asked = " + ".join(f"{spec.samples[name]} {name}" for name in SPLITS if spec.samples.get(name))
    copies = f", {duplicates} of them exact copies of others" if duplicates else ""
    copies += f", {skipped} that cannot be read" if skipped else ""
    return EvaluationError(
        f"Task '{spec.name}' asks for {asked} samples; '{source.path}' holds {len(source.items)}{copies}, "
        f"and only {found} are left for {split}.",
        f"Lower samples.{split} to {found} or less, or add data.",
    )


def _read_record(path: Path, asked: Mapping[str, object]) -> Samples | None:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if any(facts[field] != value for field, value in asked.items()):
            return None
        splits = {
            name: Drawn(tuple(each["ids"]), tuple(each["targets"]), tuple(each["digests"]))
            for name, each in facts["splits"].items()
        }
        return Samples(splits, int(facts["duplicates_left_out"]), tuple(facts.get("unreadable_left_out", ())))
    except (OSError, ValueError, KeyError, TypeError):
        # Absent or damaged: drawing again gives the same samples.
        return None


def _open_inputs(path: Path, count: int) -> NDArray[Any] | None:
    try:
        # Copy-on-write: torch insists on writable memory; nothing is ever written.
        inputs: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return inputs if len(inputs) == count else None


def _write_inputs(
    path: Path,
    drawn: Drawn,
    source: Source,
    model: Preprocessor,
    progress: Callable[[int, int], None] | None,
) -> None:
    total = len(drawn.ids)
    target: NDArray[Any] | None = None
    for start in range(0, total, CHUNK):
        ids = drawn.ids[start : start + CHUNK]
        block = model.preprocess([source.read(each) for each in ids])
        if target is None:
            shape = (total, *block.shape[1:])
            target = np.lib.format.open_memmap(path, mode="w+", dtype=block.dtype, shape=shape)
            with path.open("rb+") as file:
                # Taken now, not while the map is written: a full disk is then an error, and not the signal that kills.
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        target[start : start + len(ids)] = block
        if progress is not None:
            progress(start + len(ids), total)
    if isinstance(target, np.memmap):
        target.flush()
