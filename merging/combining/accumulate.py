"""f · base + Σ a_t · row_t over flat vectors in one pass, at the speed of memory.

A thread takes one piece through all rows; then the next piece. Every product is added with one rounding (a fused
multiply-add), in the order of the rows, so pieces and threads change no bit. Rows are directions, or the differences of
experts from the base, which are then never written down as a whole. On a GPU, and for numbers that `fused` does not
take, torch adds row by row to a piece that stays in the cache: the same bits, at half the speed or less.
"""

import threading
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from merging.combining.fused import Sum, fits, fused, fused_finite
from merging.files.finite import all_finite
from merging.method import Scalars
from merging.threads import pool

PIECE = 1 << 19  # numbers that torch adds at a time: 2 MiB, which stays in the cache
FUSED = range(1 << 17, 1 << 21)  # numbers of a piece of `fused`: many more than its call costs, a few for every thread
LARGE = 1 << 24  # numbers: a result of 64 MiB pushes out of the caches what is read first afterwards
GPU_PIECE = 1 << 22  # numbers: 16 MiB, stays in a large GPU's cache and takes longer than its launches
CHANGED = 1 << 17  # numbers: half a MiB in float32, of which three are held while differences are taken
_OWN = threading.local()
Stretch = tuple[slice, Scalars]


def accumulate(
    out: Tensor, base: Tensor, matrix: Tensor, stretches: Sequence[Stretch], piece: int | None = None
) -> None:
    """Write f · base + Σ a_t · row_t into `out` (P,), for each stretch of it with its own multipliers.

    `base` is (P,), `matrix` (T, P). A row whose multiplier is zero is not read and leaves the bits alone. `piece`:
    how many numbers at a time; left out, what suits the device.
    """
    on_cpu = out.device.type == "cpu"
    threads = torch.get_num_threads() if on_cpu else 1
    piece = piece or _piece(out, base, matrix, threads)
    parts = [
        (each, scalars)
        for part, scalars in stretches
        for each in _pieces(out[part], base[part], matrix[:, part], scalars, piece)
    ]

    waiting = iter(parts)  # shared: whichever thread is free takes the next piece
    large = out.numel() >= LARGE

    def work() -> None:
        for (room, origin, *rows), scalars in waiting:
            _accumulate(room, origin, rows, scalars, large)

    if threads == 1 or len(parts) == 1:
        work()
        return
    with pool(threads) as executor:
        for done in [executor.submit(work) for _ in range(threads)]:
            done.result()


def _piece(out: Tensor, base: Tensor, matrix: Tensor, threads: int) -> int:
    if fits(out, base, *matrix[:1]):
        return min(FUSED.stop, max(FUSED.start, out.numel() // (4 * threads)))
    return PIECE if out.device.type == "cpu" else GPU_PIECE


def _pieces(out: Tensor, base: Tensor, matrix: Tensor, scalars: Scalars, piece: int) -> Iterator[tuple[Tensor, ...]]:
    """Cut out, base and the rows that are read into pieces. All at once: cut in the threads, they would hold each
    other up.
    """
    rows = [row for row, multiplier in zip(matrix, scalars.experts, strict=True) if multiplier != 0.0]
    return zip(*(each.split(piece) for each in (out, base, *rows)), strict=True)


def _accumulate(out: Tensor, base: Tensor, rows: Sequence[Tensor], scalars: Scalars, large: bool) -> None:
    multipliers = [float(a) for a in scalars.experts if a != 0.0]
    if fits(out, base, *rows):
        fused(out, base, rows, Sum(multipliers, scalars.base), past_caches=large)
        return
    so_far = base if scalars.base == 1.0 else torch.mul(base, scalars.base, out=out)
    for row, multiplier in zip(rows, multipliers, strict=True):
        so_far = torch.add(so_far, row, alpha=multiplier, out=out)
    if so_far is base:
        out.copy_(base)


def accumulate_changes(
    out: Tensor, base: Tensor, experts: Sequence[Tensor], scalars: Scalars, piece: int = CHANGED
) -> bool:
    """Write f · base + Σ a_t · (expert_t − base), computed in float32, into `out` (P,) of any floating-point dtype, and
    tell whether all of it is finite.

    `base` and each of `experts` are (P,), of any floating-point dtype, all on the CPU. Bit-identical to `accumulate`
    over the differences in float32, and one cast.
    """
    moving = [(expert, float(a)) for expert, a in zip(experts, scalars.experts, strict=True) if a != 0.0]
    rows, multipliers = [expert for expert, _ in moving], [a for _, a in moving]
    if fits(out, base, *rows):
        return fused_finite(out, base, rows, Sum(multipliers, scalars.base, less_base=True))
    size = min(piece, out.numel())
    origin, change, so_far = room(size).unbind()
    for start in range(0, out.numel(), piece):
        part = slice(start, min(start + piece, out.numel()))
        count = part.stop - start
        from_base, held = origin[:count].copy_(base[part]), so_far[:count]
        total = from_base if scalars.base == 1.0 else torch.mul(from_base, scalars.base, out=held)
        for row, multiplier in moving:
            moved = change[:count].copy_(row[part]).sub_(from_base)
            total = torch.add(total, moved, alpha=multiplier, out=held)
        out[part] = total
    return all_finite(out)


def room(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return memory of this thread for three pieces, (3, at least `size`), kept: the system would be asked for it at
    every block.
    """
    held: Tensor | None = getattr(_OWN, "room", None)
    if held is None or held.shape[1] < size or held.dtype != dtype:
        held = _OWN.room = torch.empty(3, size, dtype=dtype)
    return held
