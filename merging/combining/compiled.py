"""The compiled part of `fused.py`: addresses in, numbers written at an address.

Compiled at import (numba) and kept beside this file, or in the user's cache where that cannot be written. What numba
has no words for is said in LLVM's: fused multiply-adds, the bits of numbers, and stores past the caches.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

STRETCH = 512  # numbers: the sum and the base of a stretch, 2 KiB each, stay in the nearest cache
FLOAT32, BFLOAT16 = 4, 2  # kinds of numbers, by their bytes
LANES = 16  # numbers that one store past the caches takes
LINE = 64  # bytes: where such a store may begin
WORD = ir.IntType(32)
SIGNATURE = (
    "uint32(int64, int64, int64, int64, int64[::1], int64[::1], float32[::1], boolean[::1], float32[::1], int64)"
)


@intrinsic
def floats(typing: Any, address: Any) -> Any:
    """View an address as float32 numbers."""
    return types.CPointer(types.float32)(types.int64), _pointer


@intrinsic
def halves(typing: Any, address: Any) -> Any:
    """View an address as words of sixteen bits."""
    return types.CPointer(types.uint16)(types.int64), _pointer


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


@intrinsic
def fma(typing: Any, one: Any, other: Any, more: Any) -> Any:
    """Return one · other + more, rounded once."""
    kind = types.float32
    return kind(kind, kind, kind), lambda context, builder, signature, arguments: builder.fma(*arguments)


@intrinsic
def widened(typing: Any, half: Any) -> Any:
    """Return the float32 number that has the same value as a bfloat16."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.shl(builder.zext(arguments[0], WORD), WORD(16)), ir.FloatType())

    return types.float32(types.uint16), code


@intrinsic
def rounded(typing: Any, number: Any) -> Any:
    """Return the nearest bfloat16 of a float32 number, the even one of two; of a NaN, a NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], WORD)
        odd = builder.and_(builder.lshr(bits, WORD(16)), WORD(1))
        near = builder.add(bits, builder.add(odd, WORD(0x7FFF)))
        nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        kept = builder.select(nan, builder.or_(bits, WORD(0x400000)), near)
        return builder.trunc(builder.lshr(kept, WORD(16)), ir.IntType(16))

    return types.uint16(types.float32), code


@intrinsic
def larger(typing: Any, bits: Any, number: Any) -> Any:
    """Return the larger of some bits and a number's without its sign: infinities and NaN are above all others."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mine = builder.and_(builder.bitcast(arguments[1], WORD), WORD(0x7FFFFFFF))
        return builder.select(builder.icmp_unsigned(">", mine, arguments[0]), mine, arguments[0])

    return types.uint32(types.uint32, types.float32), code


@intrinsic
def store_past(typing: Any, to: Any, place: Any, values: Any, first: Any) -> Any:
    """Store LANES numbers from values[first] on at to[place], a multiple of LINE, without reading what stands there."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.VectorType(ir.FloatType(), LANES).as_pointer()
        source = builder.load(builder.bitcast(builder.gep(arguments[2], [arguments[3]]), lanes), align=4)
        store = builder.store(source, builder.bitcast(builder.gep(arguments[0], [arguments[1]]), lanes), align=LINE)
        store.set_metadata("nontemporal", builder.module.add_metadata([WORD(1)]))
        return context.get_dummy_value()

    numbers = types.CPointer(types.float32)
    return types.void(numbers, types.int64, numbers, types.int64), code


@intrinsic
def fence(typing: Any) -> Any:
    """Let every store that came before be seen by other threads."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), code


@njit(inline="always")
def load(into, kind, address, start, count):
    """Read numbers from an address, as float32."""
    if kind == FLOAT32:
        wide = floats(address)
        for i in range(count):
            into[i] = wide[start + i]
    else:
        narrow = halves(address)
        for i in range(count):
            into[i] = widened(narrow[start + i])


@njit(inline="always")
def store(kind, address, start, count, values, past_caches):
    """Write numbers to an address, rounded to the nearest."""
    if kind == BFLOAT16:
        narrow = halves(address)
        for i in range(count):
            narrow[start + i] = rounded(values[i])
    elif past_caches and count % LANES == 0:
        wide, held = floats(address), floats(values.ctypes.data)
        for i in range(0, count, LANES):
            store_past(wide, start + i, held, i)
    else:
        wide = floats(address)
        for i in range(count):
            wide[start + i] = values[i]


@njit(inline="always")
def add(total, kind, address, start, count, multiplier):
    """Add multiplier · row to a sum."""
    if kind == FLOAT32:
        wide = floats(address)
        for i in range(count):
            total[i] = fma(wide[start + i], multiplier, total[i])
    else:
        narrow = halves(address)
        for i in range(count):
            total[i] = fma(widened(narrow[start + i]), multiplier, total[i])


@njit(inline="always")
def add_change(total, kind, address, start, count, multiplier, origin):
    """Add multiplier · (row − base) to a sum."""
    if kind == FLOAT32:
        wide = floats(address)
        for i in range(count):
            total[i] = fma(wide[start + i] - origin[i], multiplier, total[i])
    else:
        narrow = halves(address)
        for i in range(count):
            total[i] = fma(widened(narrow[start + i]) - origin[i], multiplier, total[i])


@njit(inline="always")
def add_four(total, addresses, first, start, count, multipliers):
    """Add four rows of float32 one after the other: the sum is read and written once."""
    a, b, c, d = multipliers[first], multipliers[first + 1], multipliers[first + 2], multipliers[first + 3]
    one, two = floats(addresses[first]), floats(addresses[first + 1])
    three, four = floats(addresses[first + 2]), floats(addresses[first + 3])
    for i in range(count):
        place = start + i
        so_far = fma(two[place], b, fma(one[place], a, total[i]))
        total[i] = fma(four[place], d, fma(three[place], c, so_far))


@njit(inline="always")
def add_rows(total, addresses, kinds, start, count, multipliers, origin, less_base):
    """Add all rows to a sum, in their order."""
    t = 0
    while t < len(addresses):
        if less_base:
            add_change(total, kinds[t], addresses[t], start, count, multipliers[t], origin)
        elif t + 4 <= len(addresses) and kinds[t] + kinds[t + 1] + kinds[t + 2] + kinds[t + 3] == 4 * FLOAT32:
            add_four(total, addresses, t, start, count, multipliers)
            t += 3
        else:
            add(total, kinds[t], addresses[t], start, count, multipliers[t])
        t += 1


@njit(inline="always")
def finish(total, count, divided, divisor, multiplied, factor, plus_base, origin):
    """Divide, multiply, add the base: what is wanted of it."""
    if divided:
        for i in range(count):
            total[i] /= divisor
    if multiplied:
        for i in range(count):
            total[i] *= factor
    if plus_base:
        for i in range(count):
            total[i] += origin[i]


def _compiled(function):
    """Compile, or take what an earlier process compiled; where nothing can be kept every process compiles anew."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(SIGNATURE, cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder to keep it in
        return njit(SIGNATURE, **options)(function)


@_compiled
def weighted_sum(out, out_kind, base, base_kind, rows, kinds, multipliers, steps, numbers, size):
    """Write the sum of `fused.Sum`, whose parts are steps and numbers; return the largest bits in it, without sign,
    where they are to be looked at.
    """
    from_base, scaled, less_base, divided, multiplied, plus_base, looked_at, past_caches = steps
    start_factor, divisor, factor = numbers
    total, origin = np.empty(STRETCH, np.float32), np.empty(STRETCH, np.float32)
    past_caches = past_caches and out % LINE == 0
    largest = np.uint32(0)
    for start in range(0, size, STRETCH):
        count = min(STRETCH, size - start)
        if less_base or plus_base:
            load(origin, base_kind, base, start, count)
        if from_base:
            load(total, base_kind, base, start, count)
        else:
            total[:count] = 0
        if scaled:
            for i in range(count):
                total[i] *= start_factor
        add_rows(total, rows, kinds, start, count, multipliers, origin, less_base)
        finish(total, count, divided, divisor, multiplied, factor, plus_base, origin)
        if looked_at:
            for i in range(count):
                largest = larger(largest, total[i])
        store(out_kind, out, start, count, total, past_caches)
    if past_caches:
        fence()
    return largest
