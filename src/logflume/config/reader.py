"""Strict conversion of mappings to the structs of the configuration, with located errors."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from logflume.config.errors import ErrorList, config_error, nearest, unknown_error, value_error

__all__ = ["join", "mapping", "read", "read_valid"]


def read(raw: Any, annotation: Any, where: str) -> Any:
    """Convert `raw` to the annotated type.

    Args:
        raw: A value from YAML: a mapping, list, text or number; null for an empty section.
        annotation: A struct, a mapping or list of these, or a plain type.
        where: Location in the configuration, for errors.

    Raises:
        ConfigError: Keys are unknown, types are wrong or values are not allowed.
    """
    errors = ErrorList()
    with errors:
        value = read_valid(raw, annotation, where, errors)
    errors.raise_any()
    return value


def read_valid(raw: Any, annotation: Any, where: str, errors: ErrorList) -> Any:
    """Convert `raw`; keys of a mapping that are invalid are left out, and added to `errors`.

    Raises:
        ConfigError: `raw` itself has the wrong type or is not allowed.
    """
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not NoneType)
        return None if raw is None else read_valid(raw, inner, where, errors)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _read_struct(raw, annotation, where, errors)
    if origin is list and raw is None:
        return []
    if origin is dict:
        values = {}
        for key, value in mapping(raw, where).items():
            with errors:
                values[str(key)] = read_valid(
                    value, get_args(annotation)[1], join(where, key), errors
                )
        return values
    if choices := _choices(annotation):
        return _read_choice(raw, annotation, choices, where)
    try:
        return msgspec.convert(raw, annotation)
    except msgspec.ValidationError as error:
        raise value_error(where, error, raw) from None


def mapping(raw: Any, where: str) -> Mapping[Any, Any]:
    """Return `raw`, which must be a mapping; an empty YAML section (null) is an empty mapping.

    Raises:
        ConfigError: `raw` is something else.
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise config_error(where, f"expected a mapping (key: value), found {raw!r}")
    return raw


def join(where: str, key: Any) -> str:
    """Return the location of a key: `my.yaml: ` + `buffer` + `.size`.

    >>> join("my.yaml:", "buffer"), join("my.yaml: buffer", "size")
    ('my.yaml: buffer', 'my.yaml: buffer.size')
    """
    return f"{where} {key}" if where.endswith(":") else f"{where}.{key}"


def _read_struct(raw: Any, struct: type[msgspec.Struct], where: str, errors: ErrorList) -> Any:
    hints = get_type_hints(struct, include_extras=True)
    values = {}
    for key, value in mapping(raw, where).items():
        with errors:
            if key not in hints:
                raise unknown_error(join(where, key), "unknown key", key, hints)
            values[key] = read_valid(value, hints[key], join(where, key), errors)
    return struct(**values)


def _choices(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [item.value for item in annotation]
    return []


def _read_choice(raw: Any, annotation: Any, choices: list[Any], where: str) -> Any:
    # Case is ignored: levels may be written info, Info or INFO.
    by_text = {str(choice).lower(): choice for choice in choices}
    choice = by_text.get(str(raw).lower())
    if choice is None:
        raise config_error(
            where,
            f"invalid value {raw!r}",
            allowed=", ".join(map(str, choices)),
            hint=nearest(str(raw), map(str, choices)),
        )
    return annotation(choice) if isinstance(annotation, type) else choice
