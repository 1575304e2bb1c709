"""MkDocs hook: the reference pages, made from the documents that the code exports, and the script that draws diagrams.

Nothing it makes is committed: the REST pages come from `clients/dashboard/openapi/*.json` and the page of the live socket from
`services/gateway/asyncapi.json`, which `make check-generated` holds to the code. It never uses the network;
`get_mermaid.sh` has fetched the one script before.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from pydantic import BaseModel

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<path>\.\./[^)#\s]+)(?:#[^)]*)?\)")
SERVICES: Final = ("identity", "ingest", "gateway", "sync", "commands", "alerts")
EVERYWHERE: Final = frozenset({"400", "401", "403", "409", "412", "413", "415", "428", "429", "503"})
"""Answers that every page's head explains; an operation lists only the others."""
MACHINERY: Final = frozenset({"/health", "/readyz"})

Document = dict[str, Any]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated to what was found in `docs/`."""
    for service in SERVICES:
        document = json.loads((ROOT / f"clients/dashboard/openapi/{service}.json").read_text(encoding="utf-8"))
        page = "\n".join(rest_page(service, document))
        files.append(File.generated(config, f"reference/rest-{service}.md", content=page))
    document = json.loads((ROOT / "services/gateway/asyncapi.json").read_text(encoding="utf-8"))
    files.append(File.generated(config, "reference/socket.md", content="\n".join(socket_page(document))))
    files.append(File.generated(config, "reference/settings.md", content="\n".join(settings_page())))
    drawn_by = subprocess.run([ROOT / "docs/scripts/get_mermaid.sh"], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own script
    files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=drawn_by.stdout.strip()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Name a file of the checkout that a page links to and the site does not have: elsewhere the link works, here its path."""
    folder = (DOCS / page.file.src_uri).parent

    def name(link: re.Match[str]) -> str:
        target = (folder / link["path"]).resolve()
        if target.is_relative_to(DOCS) or not target.is_relative_to(ROOT) or not target.exists():
            return link[0]
        return f"{link['text']} (`{target.relative_to(ROOT)}`)"

    return LINK.sub(name, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give a page with diagrams the script that draws them; it is large, and the others do without."""
    if 'class="mermaid"' not in output:
        return output
    script = get_relative_url("assets/mermaid.min.js", page.url)
    return output.replace("</head>", f'<script src="{script}"></script></head>', 1)


def rest_page(service: str, document: Document) -> Iterator[str]:
    """Write the page of one service: a table of all operations, then each of them, then the forms of bodies."""
    yield f"# REST: {service}\n"
    yield (
        "Made from the OpenAPI document of the running code; the document itself is at "
        f"`/api/openapi/{service}.json`. What holds for all operations is on [REST](rest.md).\n"
    )
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        if path not in MACHINERY
        for method, operation in methods.items()
    ]
    yield "| operation | what | who |\n|---|---|---|"
    for method, path, operation in operations:
        yield f"| [`{method} {path}`](#{anchor(method, path)}) | {cell(operation['summary'])} | {who(operation)} |"
    yield ""
    for method, path, operation in operations:
        yield from one_operation(document, method, path, operation)
    yield "## Forms\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from one_form(name, schema)


def one_operation(document: Document, method: str, path: str, operation: Document) -> Iterator[str]:
    """Write one operation: what it does, its parameters, its body with an example, its answers."""
    yield f"## `{method} {path}` {{ #{anchor(method, path)} }}\n"
    yield f"{operation.get('description', operation['summary'])}\n"
    yield (
        f"Who: {who(operation)}." + (f" Counted as `{rate}`." if (rate := operation.get("x-rate-class")) else "") + "\n"
    )
    if parameters := operation.get("parameters"):
        yield "| parameter | in | form | what |\n|---|---|---|---|"
        for parameter in parameters:
            name = f"`{parameter['name']}`" + (" (needed)" if parameter.get("required") else "")
            form = cell(shape(parameter["schema"]))
            yield f"| {name} | {parameter['in']} | {form} | {cell(parameter.get('description', ''))} |"
        yield ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema", {})
        yield f"Body, `{kind}`: {shape(schema)}\n"
        if (example := first_example(document, content)) is not None:
            yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"
    yield "| answer | what |\n|---|---|"
    for status, answer in operation["responses"].items():
        if status in EVERYWHERE:
            continue
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        form = f"; {shape(schema)}" if schema else ""
        yield f"| {status} | {cell(answer['description'])}{cell(form)} |"
    yield ""


def one_form(name: str, schema: Document) -> Iterator[str]:
    """Write one form of a body: its fields, or what it is made of."""
    yield f"### {name} {{ #{form_anchor(name)} }}\n"
    if description := schema.get("description"):
        yield f"{description}\n"
    if properties := schema.get("properties"):
        needed = set(schema.get("required", ()))
        yield "| field | form | what |\n|---|---|---|"
        for field, one in properties.items():
            mark = " (needed)" if field in needed else ""
            yield f"| `{field}`{mark} | {cell(shape(one))} | {cell(one.get('description', ''))} |"
        yield ""
    elif "properties" not in schema:
        yield f"{shape(schema)}\n"


def socket_page(document: Document) -> Iterator[str]:
    """Write the page of the live socket: every frame each way, with its fields."""
    yield "# The live socket, frame by frame\n"
    yield (
        "Made from `services/gateway/asyncapi.json` (AsyncAPI 3), which the gateway also serves at "
        "`/api/live/asyncapi.json`. How it is used is on [the gateway's protocol](../protocols/gateway.md).\n"
    )
    yield document["info"]["description"]
    messages = document["components"]["messages"]
    for operation, title in (("toServer", "Client to server"), ("toClient", "Server to client")):
        yield f"\n## {title}\n"
        for reference in document["operations"][operation]["messages"]:
            name = reference["$ref"].rsplit("/", 1)[-1]
            yield f"- [`{name}`](#{form_anchor(form_of(messages[name]))}): {messages[name]['summary']}"
    yield "\n## Forms\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from one_form(name, schema)


def settings_page() -> Iterator[str]:
    """Write the page of all variables, from the services' own settings: what each reads, its default, what it is for."""
    models = {service: settings_of(service) for service in SERVICES}
    readers: dict[str, list[str]] = {}
    for service, model in models.items():
        for name in model.model_fields:
            readers.setdefault(name, []).append(service)
    yield "# Settings\n"
    yield (
        "Made from the settings of the running code. Each is a variable of the environment; one that holds a secret can be "
        "given as a file: `PULSE_…_FILE` names it. `pulse up`, `compose.yaml` and the chart set what they know.\n"
    )
    yield from settings_table(
        "Every service", models["identity"], [n for n, who in readers.items() if len(who) == len(models)]
    )
    for service, model in models.items():
        own = [name for name in model.model_fields if len(readers[name]) < len(models)]
        yield from settings_table(service, model, own)


def settings_of(service: str) -> type[BaseModel]:
    """Return the settings class of a service, by the name that all services give it."""
    module = importlib.import_module(f"pulse_{service}.settings")
    return cast("type[BaseModel]", getattr(module, f"{service.capitalize()}Settings"))


def settings_table(title: str, model: type[BaseModel], names: list[str]) -> Iterator[str]:
    """Write one table of variables, by name."""
    yield f"## {title}\n"
    yield "| variable | default | what |\n|---|---|---|"
    for name in sorted(names):
        field = model.model_fields[name]
        default = "needed" if field.is_required() else default_of(field.get_default(call_default_factory=True))
        yield f"| `PULSE_{name.upper()}` | {default} | {cell(field.description or '')} |"
    yield ""


def default_of(value: object) -> str:
    """Write a default as one would set it; what depends on the machine or on the moment is not told."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool | int | float | str):
        return f"`{str(value).lower() if isinstance(value, bool) else value}`"
    return f"`{cell(str(value))}`" if isinstance(value, tuple | list) and value else "none"


def form_of(message: Document) -> str:
    """Return the name of the form that a message's payload has."""
    return str(message["payload"]["$ref"]).rsplit("/", 1)[-1]


def who(operation: Document) -> str:
    """Say who may call an operation, as the route itself declares it."""
    access = operation.get("x-access", {})
    detail = cell(str(access.get("detail", "")))
    match access.get("kind"):
        case "permission":
            return f"`{detail}`"
        case "public":
            return f"anybody ({detail})"
        case _:
            return detail


def shape(schema: Document) -> str:  # noqa: PLR0911 - one return for each kind of schema
    """Describe a JSON Schema in a few words; forms with a name become links."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{form_anchor(name)})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(shape(one) for one in schema[key]))
    if "allOf" in schema:
        return " and ".join(shape(one) for one in schema["allOf"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"array of {shape(schema.get('items', {}))}{bounds(schema, 'minItems', 'maxItems')}"
    if kind == "string":
        return f"{schema.get('format', 'string')}{bounds(schema, 'minLength', 'maxLength')}"
    if kind in {"integer", "number"}:
        return f"{kind}{bounds(schema, 'minimum', 'maximum')}"
    return str(kind)


def bounds(schema: Document, low: str, high: str) -> str:
    """Write the bounds of a number or of a length."""
    if low in schema and high in schema:
        return f", {schema[low]} to {schema[high]}"
    if high in schema:
        return f", at most {schema[high]}"
    return f", at least {schema[low]}" if low in schema else ""


def first_example(document: Document, content: Document) -> Any:
    """Find an example of a body: beside it, or at its form."""
    for example in content.get("examples", {}).values():
        return example.get("value")
    if "example" in content:
        return content["example"]
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return next(iter(schema.get("examples", ())), None)


def cell(text: str) -> str:
    """Make a text fit into a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def anchor(method: str, path: str) -> str:
    """Return an operation's anchor."""
    words = "".join(character if character.isalnum() else "-" for character in path).strip("-")
    return f"{method.lower()}-{words}"


def form_anchor(name: str) -> str:
    """Return a form's anchor."""
    return f"form-{name.lower()}"
