#!/usr/bin/env python3
"""Makes spec.json from Stripe's own Python SDK, whose sources are generated from Stripe's API description.

    pip install stripe==16.0.1
    python3 tests/conformance/stripe/make_spec.py > tests/conformance/stripe/spec.json

The SDK's sources are read as text and never run: services say method, path and answer of an operation, the typed
dictionaries below `stripe/params` its parameters, the resource classes what an answer has.

A schema is one of
    "string" "integer" "boolean" "number" "decimal" "any"      a scalar; with "?" at its end it may be null
    {"enum": [..]}  {"list": S}  {"map": S}  {"page": S}       a page is a list with `has_more`
    {"found": S}                                               a page of what was searched for
    {"linked": S}                                              a list with `next_page_url`, of the second version
    {"hash": NAME}                                             one of `hashes`
    {"id_of": NAME}                                            an id, or the object where it was expanded
    {"any_of": [S, ..]}  {"nullable": S}
A hash is {"required": [..], "members": {name: S}}. What stands is TRIMMED is "any".
"""
import ast
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(find_spec("stripe").submodule_search_locations[0])

PAGES = {"_list_object": "page", "_search_result_object": "found", "v2/_list_object": "linked"}
# What the engine asks for, as `resource: operations`. Names are those of the SDK's services.
OPERATIONS = {
    "_account_service": "retrieve_current",
    "_webhook_endpoint_service": "create list retrieve update delete",
    "billing/_meter_service": "create list retrieve update deactivate reactivate",
    "billing/_meter_event_summary_service": "list",
    "billing/_meter_event_service": "create",
    "billing/_meter_event_adjustment_service": "create",
    "_product_service": "create list retrieve update delete",
    "_price_service": "create list retrieve update",
    "_customer_service": "create list retrieve update delete search",
    "_customer_payment_method_service": "list",
    "_payment_method_service": "attach list retrieve",
    "_subscription_service": "create list retrieve update cancel",
    "_subscription_item_service": "list",
    "_subscription_schedule_service": "create list retrieve update release cancel",
    "_invoice_service": "create list retrieve update delete finalize_invoice pay void_invoice mark_uncollectible create_preview",
    "_invoice_line_item_service": "list",
    "_invoice_item_service": "create list retrieve delete",
    "_credit_note_service": "create list retrieve",
    "checkout/_session_service": "create retrieve list expire",
    "billing_portal/_session_service": "create",
    "billing_portal/_configuration_service": "create list retrieve update",
    "_event_service": "list retrieve",
    "v2/core/_event_service": "retrieve",
    "v2/core/_event_destination_service": "create list retrieve update enable disable",
    "test_helpers/_test_clock_service": "create retrieve advance",
}
# Parameters that no call here uses and that would be most of the file.
TRIMMED_PARAMETERS = re.compile(r"payment_method_data|mandate_data|schedule_details|shipping_address_collection")
# Objects that answers are checked for; others are ids or anything.
KEPT = set(
    "account webhook_endpoint billing.meter billing.meter_event billing.meter_event_adjustment billing.meter_event_summary"
    " product price plan customer subscription subscription_item subscription_schedule invoice line_item invoiceitem credit_note"
    " credit_note_line_item checkout.session billing_portal.session billing_portal.configuration event v2.core.event v2.core.event_destination"
    " test_helpers.test_clock payment_method".split()
)
TRIMMED_ANSWERS = re.compile(r"(account|payment_method|checkout\.session\.PaymentMethodOptions|.*\.LastFinalizationError)\..*")


def read(path):
    return ast.parse((ROOT / f"{path}.py").read_text())


def text(node):
    """The text of a literal, or of `literal.format(..)`."""
    if isinstance(node, ast.Call):
        node = node.func.value
    return node.value


def imports(tree):
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stripe."):
            for alias in node.names:
                module = node.module.replace("stripe.", "", 1).replace(".", "/")
                found[alias.asname or alias.name] = (module, alias.name)
    return found


def named(annotation):
    """`Optional["X"]` -> ["Optional", "X"]."""
    return re.findall(r"\w+", ast.unparse(annotation)) if annotation is not None else []


def parsed(annotation):
    """An annotation as a tree, those written as texts included."""
    while isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value.strip(), mode="eval").body
    return annotation


def alternatives(node):
    """The parts of `A|B`, `Union[A, B]` and `Optional[A]`, flat."""
    node = parsed(node)
    if isinstance(node, ast.BinOp):
        return alternatives(node.left) + alternatives(node.right)
    head, inner = subscript(node)
    if head == "Union":
        return [part for one in inner for part in alternatives(one)]
    if head == "Optional":
        return alternatives(inner[0]) + [ast.Constant(None)]
    if head in ("ExpandableField",):
        return [ast.Name("str")] + alternatives(inner[0])
    return [node]


def subscript(node):
    if not isinstance(node, ast.Subscript):
        return None, []
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return node.value.id, inner


def is_none(node):
    return isinstance(node, ast.Constant) and node.value is None


SCALARS = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "Decimal": "decimal", "Any": "any", "object": "any"}


class Schemas:
    """Hashes by name, made when they are first asked for."""

    def __init__(self):
        self.hashes = {}

    def of(self, annotation, scope):
        parts = alternatives(annotation)
        nullable = any(is_none(part) for part in parts)
        schemas, enum = [], []
        for part in parts:
            head, inner = subscript(part)
            if is_none(part) or head == "UntypedStripeObject" and len(parts) > 1 and any(subscript(p)[0] == "Dict" for p in parts):
                continue
            if head == "Literal":
                enum += [one.value for one in inner]
            else:
                schemas.append(self.one(part, head, inner, scope))
        if enum == [""] and "string" in schemas:
            enum = []
        if enum:
            # A text beside known values only says that there may be others one day.
            schemas = [{"enum": enum}] + [it for it in schemas if it != "string"]
        if "decimal" in schemas:
            schemas = [it for it in schemas if it != "string"]
        objects = [it for it in schemas if isinstance(it, dict) and "object" in it]
        if objects:
            ids = "string" in schemas
            schemas = [it for it in schemas if it not in objects and it != "string"]
            schemas += [{"id_of": it["object"]} if ids else "any" if it["object"] == "any" else {"hash": it["object"]} for it in objects]
        schema = schemas[0] if len(schemas) == 1 else {"any_of": schemas}
        if not nullable:
            return schema
        return schema + "?" if isinstance(schema, str) else {"nullable": schema}

    def one(self, part, head, inner, scope):
        if isinstance(part, ast.Name) and part.id in SCALARS:
            return SCALARS[part.id]
        if head == "List":
            return {"list": self.of(inner[0], scope)}
        if head in ("Dict", "UntypedStripeObject"):
            return {"map": self.of(inner[-1], scope)}
        if head == "ListObject":
            return {"page": self.of(inner[0], scope)}
        return scope.named(self, ast.unparse(part).strip("'\""))


class Parameters:
    """The typed dictionaries of one file."""

    def __init__(self, module):
        self.space = ".".join(module.split("/")[1:-1])
        self.classes = {node.name: node for node in read(module).body if isinstance(node, ast.ClassDef)}

    def named(self, schemas, name):
        own = self.classes[name]
        name = f"{self.space}.{name}".strip(".")
        if name not in schemas.hashes:
            hash = schemas.hashes[name] = {"required": [], "members": {}}
            for member, annotation in members(own):
                head, inner = subscript(parsed(annotation))
                if TRIMMED_PARAMETERS.fullmatch(member):
                    hash["members"][member] = "any"
                    continue
                hash["members"][member] = schemas.of(inner[0] if head == "NotRequired" else annotation, self)
                if head != "NotRequired":
                    hash["required"].append(member)
        return {"hash": name}


class Answers:
    """The resource class of one file, and the classes within it."""

    def __init__(self, module):
        tree = read(module)
        self.imports = imports(tree)
        self.classes = {}
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.collect(node, node.name)
        self.at = None

    def collect(self, node, path):
        self.classes[path] = node
        for inner in node.body:
            if isinstance(inner, ast.ClassDef):
                self.collect(inner, f"{path}.{inner.name}")

    def named(self, schemas, name):
        here = self.at
        while here:
            if f"{here}.{name}" in self.classes:
                return self.hash(schemas, f"{here}.{name}")
            here = here.rpartition(".")[0]
        if name in self.classes:
            return self.hash(schemas, name)
        module, name = self.imports[name]
        return Answers(module).hash(schemas, name)

    def hash(self, schemas, path):
        node = self.classes[path]
        own = object_name(node)
        first, _, rest = path.partition(".")
        name = own or f"{object_name(self.classes[first]) or first}.{rest}"
        result = {"object": name} if own else {"hash": name}
        if own and own not in KEPT:
            return {"object": "any"}
        if TRIMMED_ANSWERS.fullmatch(name):
            return "any"
        if name not in schemas.hashes:
            hash = schemas.hashes[name] = {"required": [], "members": {}}
            before, self.at = self.at, path
            for member, annotation in members(node):
                member = member.rstrip("_")
                schema = hash["members"][member] = schemas.of(annotation, self)
                nullable = isinstance(schema, dict) and "nullable" in schema or isinstance(schema, str) and schema.endswith("?")
                if not nullable and member != "deleted":
                    hash["required"].append(member)
            self.at = before
        return result


def object_name(node):
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and member.target.id == "OBJECT_NAME":
            return member.value.value
    return None


def members(node):
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and "ClassVar" not in ast.unparse(member.annotation):
            yield member.target.id, member.annotation


def operations(module, wanted, schemas):
    tree = read(module)
    known = imports(tree)
    for method in ast.walk(tree):
        if not isinstance(method, ast.FunctionDef) or method.name not in wanted:
            continue
        call = next(it for it in ast.walk(method) if isinstance(it, ast.Call) and getattr(it.func, "attr", "") == "_request")
        verb, path = text(call.args[0]).upper(), text(call.args[1])
        taken = [name for it in method.args.args if it.arg == "params" for name in named(it.annotation) if name.endswith("Params")]
        schema = Parameters(known[taken[0]][0]).named(schemas, taken[0])["hash"] if taken else None
        answered = named(method.returns)
        answer = Answers(known[answered[-1]][0]).hash(schemas, answered[-1])["object"]
        page = next((PAGES[known[name][0]] for name in answered if name in known and known[name][0] in PAGES), None)
        operation = {"answer": {page: {"hash": answer}} if page else {"hash": answer}}
        if schema:
            operation["parameters"] = schema
        yield f"{verb} {path}", operation


def main():
    schemas, found = Schemas(), {}
    for module, wanted in OPERATIONS.items():
        made = dict(operations(module, set(wanted.split()), schemas))
        if len(made) != len(wanted.split()):
            sys.exit(f"{module}: found {sorted(made)}, wanted {wanted}")
        found.update(made)
    version = re.search(r'CURRENT = "([^"]+)"', (ROOT / "_api_version.py").read_text()).group(1)
    sdk = re.search(r'VERSION = "([^"]+)"', (ROOT / "_version.py").read_text()).group(1)
    hashes = dict(sorted((name, {k: v for k, v in hash.items() if v}) for name, hash in schemas.hashes.items()))
    lines = [f'  {json.dumps("api_version")}: {json.dumps(version)},', f'  "made_from": {json.dumps("stripe-python " + sdk)},']
    for title, entries in (("operations", dict(sorted(found.items()))), ("hashes", hashes)):
        body = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry, sort_keys=True)}" for name, entry in entries.items())
        lines.append(f'  "{title}": {{\n{body}\n  }}' + ("," if title == "operations" else ""))
    print("{\n" + "\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
