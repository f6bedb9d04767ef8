"""Shapes, lower bounds, tables, CSV files and plots of benches/gpu.py. Needs neither PyTorch nor a GPU."""

import csv
from dataclasses import asdict, dataclass, fields
from typing import List, NamedTuple, Optional

OPERATIONS = ("value", "value_and_grad", "forward_backward")
MODES = ("call", "graph", "kernels")

# Multiply-adds of the separable 11-tap filters, per element: four planes in two directions for the value, three more
# for the gradient. Everything else (the formula itself, halos, addresses) is left out: these are lower bounds.
TAPS = 11
VALUE_FMAS = 4 * 2 * TAPS
GRADIENT_FMAS = 3 * 2 * TAPS
# Two images read; for the gradient, one written.
VALUE_BYTES = 2 * 4
GRADIENT_BYTES = 4


class Shape(NamedTuple):
    n: int
    c: int
    h: int
    w: int

    @property
    def elements(self):
        return self.n * self.c * self.h * self.w

    def __str__(self):
        return "x".join(map(str, self))


def parse_shape(text):
    """ "8x3x1080x1920" as a Shape."""
    try:
        sizes = [int(size) for size in text.split("x")]
    except ValueError:
        sizes = []
    if len(sizes) != 4 or min(sizes) < 1:
        raise ValueError(f"{text!r} is not a shape; expected NxCxHxW, such as 1x3x1080x1920")
    return Shape(*sizes)


def parse_list(text, known):
    """A comma-separated choice from `known`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{', '.join(unknown) or 'nothing'} is not known; expected a list from: {', '.join(known)}")
    return names


def memory_floor_us(shape, operation, bytes_per_second):
    """Microseconds to move what has to be moved, once."""
    size = VALUE_BYTES + (0 if operation == "value" else GRADIENT_BYTES)
    return shape.elements * size / bytes_per_second * 1e6 if bytes_per_second else None


def arithmetic_floor_us(shape, operation, fmas_per_second):
    """Microseconds to issue the filters' multiply-adds."""
    fmas = VALUE_FMAS + (0 if operation == "value" else GRADIENT_FMAS)
    return shape.elements * fmas / fmas_per_second * 1e6 if fmas_per_second else None


@dataclass
class Row:
    """One measurement, or the reason why there is none."""

    package: str
    version: str
    device: str
    padding: str
    shape: str
    operation: str
    mode: str
    median_us: Optional[float] = None
    low_us: Optional[float] = None  # tenth percentile
    high_us: Optional[float] = None  # ninetieth percentile
    calls: int = 0
    value_error: Optional[float] = None  # absolute
    grad_error: Optional[float] = None  # relative, Euclidean norm
    memory_floor_us: Optional[float] = None
    arithmetic_floor_us: Optional[float] = None
    note: str = ""


def add_floors(rows, bytes_per_second, fmas_per_second):
    for row in rows:
        shape = parse_shape(row.shape)
        row.memory_floor_us = memory_floor_us(shape, row.operation, bytes_per_second)
        row.arithmetic_floor_us = arithmetic_floor_us(shape, row.operation, fmas_per_second)


def _number(value, form):
    return "-" if value is None else format(value, form)


def format_table(rows: List[Row]) -> str:
    """A block for each shape and operation, the fastest call first, with every reason for a missing number."""
    lines = []
    for shape, operation in dict.fromkeys((row.shape, row.operation) for row in rows):
        block = [row for row in rows if (row.shape, row.operation) == (shape, operation)]
        floors = f"floors: memory {_number(block[0].memory_floor_us, '.1f')} us"
        floors += f", multiply-adds {_number(block[0].arithmetic_floor_us, '.1f')} us"
        lines += ["", f"{shape}  {operation.replace('_', ' ')}  ({floors})"]
        lines.append(
            f"  {'package':<30} {'padding':<7} {'call us':>9} {'graph us':>9} {'kernels us':>10}"
            f" {'value err':>9} {'grad err':>9}"
        )
        lines += _table_lines(block)
    return "\n".join(lines[1:])


def _table_lines(block):
    groups = {}
    for row in block:
        groups.setdefault((row.package, row.version, row.padding), {})[row.mode] = row

    def call_time(group):
        call = group.get("call")
        return float("inf") if call is None or call.median_us is None else call.median_us

    for (package, version, padding), modes in sorted(groups.items(), key=lambda item: call_time(item[1])):
        times = [_number(modes[mode].median_us if mode in modes else None, ".1f") for mode in MODES]
        errors = next((row for row in modes.values() if row.value_error is not None), None)
        value_error = _number(errors and errors.value_error, ".1e")
        grad_error = _number(errors and errors.grad_error, ".1e")
        yield (
            f"  {(package + ' ' + version).strip():<30} {padding:<7} {times[0]:>9} {times[1]:>9} {times[2]:>10}"
            f" {value_error:>9} {grad_error:>9}"
        )
        for note in dict.fromkeys(f"{mode}: {row.note}" for mode, row in modes.items() if row.note):
            yield f"      {note}"


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_csv(path):
    def value(field, text):
        if text == "" and field.default is None:
            return None
        return float(text) if field.default is None else int(text) if field.default == 0 else text

    with open(path, newline="") as file:
        return [
            Row(**{field.name: value(field, line[field.name]) for field in fields(Row)})
            for line in csv.DictReader(file)
        ]


def plot(path, rows, title):
    """Time against elements, both logarithmic, a panel for each operation, with the floors. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    rows = [row for row in rows if row.median_us is not None]
    operations = [operation for operation in OPERATIONS if any(row.operation == operation for row in rows)]
    if not operations:
        raise ValueError("there is nothing to plot: no row has a time")
    figure, axes = pyplot.subplots(1, len(operations), figsize=(6 * len(operations), 5), squeeze=False, sharey=True)
    # One colour for a package in every panel; solid for whole calls, dashed for replayed graphs, dotted for kernels.
    colours = {package: f"C{index}" for index, package in enumerate(dict.fromkeys(row.package for row in rows))}
    styles = dict(zip(MODES, ("-", "--", ":")))
    markers = {"same": "o", "valid": "s", "reflect": "^"}
    for axis, operation in zip(axes[0], operations):
        panel = [row for row in rows if row.operation == operation]
        for package, padding, mode in dict.fromkeys((row.package, row.padding, row.mode) for row in panel):
            line = [row for row in panel if (row.package, row.padding, row.mode) == (package, padding, mode)]
            points = sorted((parse_shape(row.shape).elements, row.median_us) for row in line)
            style = {"color": colours[package], "linestyle": styles[mode], "marker": markers[padding], "markersize": 4}
            axis.plot(*zip(*points), label=f"{package}, {padding}, {mode}", linewidth=1.2, **style)
        for name, colour in (("memory_floor_us", "0.3"), ("arithmetic_floor_us", "0.6")):
            points = sorted(
                {(parse_shape(row.shape).elements, getattr(row, name)) for row in panel if getattr(row, name)}
            )
            if points:
                label = "floor: " + ("memory" if name.startswith("memory") else "multiply-adds")
                axis.plot(*zip(*points), color=colour, linewidth=2, alpha=0.7, label=label)
        axis.set(xscale="log", yscale="log", xlabel="elements (N*C*H*W)", title=operation.replace("_", " "))
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(True, which="both", linewidth=0.3)
        axis.legend(fontsize=6)
    axes[0][0].set_ylabel("microseconds, median")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
