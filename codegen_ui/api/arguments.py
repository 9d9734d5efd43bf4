"""What bodies are made of: how they treat null and the unknown, and the arguments that the settings' table has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    StrictInt,
    StrictStr,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from codegen_ui.kinds import Choice, Integer, Number
from codegen_ui.request import GenerationRequest, api_settings
from codegen_ui.table import Setting
from codegen_ui.texts import MAX_STOP_CHARACTERS, StopStrings

MAX_STOPS = 4
StrictNumber = Annotated[float, Strict()]
"""As strict as the integers are: no booleans, no digits in quotes."""
Stop = Annotated[StrictStr, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]
LOWEST = {"top_k": -1}
"""Lower bounds other than the library's: vLLM's clients turn top-k off with -1."""
WHOSE = {"openai": "", "vllm": "vLLM's extra: ", "ours": "This server's extra: "}


class Body(BaseModel):
    """What every body does: it refuses arguments that it does not know, and takes null for a default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _default_for_null(cls, values: Any) -> Any:
        """OpenAI's API and its clients' types allow null wherever there is a default."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None or not cls._has_default(name)}

    @classmethod
    def _has_default(cls, name: object) -> bool:
        return name in cls.model_fields and not cls.model_fields[str(name)].is_required()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tell that null is allowed there."""
        reference = handler(core)
        fields = handler.resolve_ref_schema(reference)["properties"]
        fields.update({name: nullable(field) for name, field in fields.items() if cls._has_default(name)})
        return reference


def nullable(field: dict[str, Any]) -> dict[str, Any]:
    """A field's JSON schema that allows null too."""
    null = {"type": "null"}
    if "anyOf" in field:
        return field if null in field["anyOf"] else {**field, "anyOf": [*field["anyOf"], null]}
    about = {key: value for key, value in field.items() if key in ("title", "description", "default")}
    return {"anyOf": [{key: value for key, value in field.items() if key not in about}, null], **about}


def with_settings(base: type[Body], table: type = GenerationRequest) -> type[Body]:
    """A body that has a table's settings after the base's arguments; the default of each is its neutral value."""
    arguments: dict[str, Any] = {
        one.name: (argument(one), Field(default=one.neutral, description=f"{WHOSE[one.origin]}{one.sentence}"))
        for one in api_settings(table)
    }
    return create_model(base.__name__, __base__=base, **arguments)


def argument(one: Setting) -> Any:
    """The type that pydantic checks an argument with, and makes its schema of."""
    kind = one.kind
    found: Any
    if isinstance(kind, Integer):
        found = Annotated[StrictInt, Field(ge=LOWEST.get(one.name, kind.low), le=kind.high)]
    elif isinstance(kind, Number):
        low = Field(gt=kind.low) if kind.open_low else Field(ge=kind.low)
        high = Field(lt=kind.high) if kind.open_high else Field(le=kind.high)
        found = Annotated[StrictNumber, low, high]
    elif isinstance(kind, StopStrings):
        found = Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)]
    elif isinstance(kind, Choice):
        found = kind.names
    else:
        raise TypeError(f"{one.name}: the API has no type for {kind}")
    return found if one.neutral is not None else found | None
