"""The small faults: mutmut's operators on each function of a file, and one of our own: a step is left out."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal

#: What is counted and logged beside the work is no guarantee.
UNHELD = re.compile(
    r"(await )?(self\.)?_?(log|counts?(_\w+)?|counted|metrics)(\.\w+)?\(|structlog\.|with (log|structlog)[._]"
)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault in one function."""

    file: str
    span: Span
    old: str
    new: str
    number: int  #: of those with the same `old` and `new` in this function
    lines: tuple[int, int]
    statement: tuple[int, int]  #: the lines of the one that it is in
    node: cst.CSTNode = field(repr=False, compare=False)
    replacement: cst.CSTNode = field(repr=False, compare=False)

    @property
    def function(self) -> str:
        """The file and the qualified name: `bot/flow/desk.py::Desk.answer`."""
        return f"{self.file}::{self.span.function}"

    @property
    def name(self) -> str:
        """The same as long as the function stays as it is, whatever is written around it."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.function}: {self.old} => {self.new}{again}"

    def source(self) -> str:
        """The whole file with the fault in it."""
        changed = _parsed(self.file).module.deep_replace(self.node, self.replacement)
        assert isinstance(changed, cst.Module)
        assert changed is not _parsed(self.file).module
        return changed.code


@cache
def _parsed(file: str) -> MetadataWrapper:
    return MetadataWrapper(cst.parse_module(Path(file).read_text(encoding="utf-8")), unsafe_skip_copy=True)


@dataclass(frozen=True)
class Span:
    """A function or method of a file, with what is inside it."""

    function: str  #: its qualified name
    first: int
    last: int
    hash: str  #: tells whether it is still what a result was found for


@cache
def spans_of(file: str) -> tuple[Span, ...]:
    """All that are not inside another."""
    source = Path(file).read_text(encoding="utf-8")
    return tuple(_spans(ast.parse(source), source.splitlines(keepends=True)))


def _spans(tree: ast.AST, lines: list[str], path: str = "") -> Iterator[Span]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _spans(node, lines, f"{path}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            last = node.end_lineno or node.lineno
            digest = sha256("".join(lines[first - 1 : last]).strip().encode()).hexdigest()[:12]
            yield Span(f"{path}{node.name}", first, last, digest)


def mutants_of(file: str) -> list[Mutant]:
    """All of a file, in the order of its lines."""
    finder = _Finder(file)
    _parsed(file).visit(finder)
    return finder.found


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, file: str) -> None:
        super().__init__()
        self.found: list[Mutant] = []
        self._file = file
        self._functions: list[cst.FunctionDef] = []
        self._statements: list[tuple[int, int]] = []
        self._expressions: list[cst.BaseExpression] = []
        self._words: set[cst.CSTNode] = set()
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def on_visit(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.Annotation() | cst.Decorator():
                return False
            case cst.FunctionDef():
                self._functions.append(node)
                # What stands for arguments that are left out is made before any fault is.
                node.body.visit(self)
                self.on_leave(node)
                return False
            case cst.SimpleStatementLine():
                code = self._code(node)
                if not self._functions or UNHELD.match(code):
                    return False
                self._statements.append(self._lines(node))
            case cst.With() if UNHELD.match(self._code(node)):
                node.body.visit(self)
                return False
            case cst.Call() if UNHELD.match(self._code(node)):
                return False
            case cst.Raise(exc=cst.Call(args=args)):  # what an error calls the thing is its wording
                self._words |= {arg.value for arg in args if isinstance(arg.value, cst.SimpleString)}
            case cst.ConcatenatedString() | cst.FormattedString():
                return False
        if self._functions and node not in self._words:
            for replacement in _faults(node):
                if not self._loses_words(node, replacement):
                    self._add(node, replacement)
        if isinstance(node, cst.BaseExpression):
            self._expressions.append(node)
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        if self._expressions and node is self._expressions[-1]:
            self._expressions.pop()
        match node:
            case cst.FunctionDef() if self._functions and node is self._functions[-1]:
                self._functions.pop()
            case cst.SimpleStatementLine() if self._statements:
                self._statements.pop()

    def _loses_words(self, node: cst.CSTNode, replacement: cst.CSTNode) -> bool:
        if not isinstance(node, cst.Call) or not isinstance(replacement, cst.Call):
            return False
        kept = [arg.value for arg in replacement.args]
        lost = [arg.value for arg in node.args if arg.value not in kept]
        return any(value in self._words or _is_sentence(value) for value in lost)

    def _add(self, node: cst.CSTNode, replacement: cst.CSTNode) -> None:
        whole: cst.CSTNode = node
        if isinstance(node, cst.BaseCompOp | cst.ComparisonTarget):  # alone it does not say what is compared
            whole = self._expressions[-1]
        changed = whole.deep_replace(node, replacement) if whole is not node else replacement
        assert isinstance(changed, cst.CSTNode)
        old, new = _short(self._code(whole), self._code(changed))
        if old == new:
            return
        lines = self._lines(whole)
        span = next(each for each in spans_of(self._file) if each.first <= lines[0] <= each.last)
        self._seen[span.function, old, new] += 1
        self.found.append(
            Mutant(
                file=self._file, span=span, old=old, new=new, number=self._seen[span.function, old, new],
                lines=lines, statement=self._statements[-1] if self._statements else lines,
                node=node, replacement=replacement,
            )
        )  # fmt: skip

    def _code(self, node: cst.CSTNode) -> str:
        return " ".join(_parsed(self._file).module.code_for_node(node).split())

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        position = self.get_metadata(PositionProvider, node, None)
        if position is None:  # an operator has none of its own
            return self._statements[-1] if self._statements else (0, 0)
        return position.start.line, position.end.line


def _faults(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What may take a node's place. Not the wording of sentences: snapshots hold that."""
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.BaseString | cst.Yield):
        yield cst.Pass()
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            replacements = list(operator(node))
            if operator is operator_arg_removal and isinstance(node, cst.Call):
                replacements = [each for each in replacements if _is_worth_it(node, each)]
            if isinstance(node, cst.BaseString):
                replacements = replacements[:1]  # other letters are no other fault
                if isinstance(node, cst.SimpleString) and not re.fullmatch(
                    r"[\w.:/-]+", str(node.evaluated_value)
                ):
                    continue
            yield from replacements


def _is_worth_it(node: cst.Call, replacement: cst.Call) -> bool:
    """None in the place of one argument. One left out is mostly a mere TypeError; True becomes False."""
    pairs = zip(node.args, replacement.args, strict=False)
    changed = next((before.value for before, after in pairs if before.value is not after.value), None)
    return len(node.args) == len(replacement.args) and getattr(changed, "value", "") not in ("True", "False")


def _is_sentence(value: cst.BaseExpression) -> bool:
    match value:
        case cst.SimpleString():
            return " " in str(value.evaluated_value)
        case cst.ConcatenatedString() | cst.FormattedString():
            return True
    return False


def _short(old: str, new: str, *, around: int = 40) -> tuple[str, ...]:
    """What differs of two long texts, and a little around it."""
    if len(old) <= 3 * around:
        return old, new
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - same
    tail = next(
        (n for n, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b or n >= rest), rest
    )
    start, end = max(0, same - around), max(0, tail - around)
    return tuple("…" * (start > 0) + each[start : len(each) - end][: 4 * around] for each in (old, new))
