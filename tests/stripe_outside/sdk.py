"""Stripe's own SDK for Python, driven by lines of JSON.

    sdk.py verify              {"body", "signature", "secret"} -> what its verifier says
    sdk.py sign                {"body", "secret", "at"}        -> the header that its signer makes
    sdk.py send SERVER KEY     "METHOD PATH PARAMETERS"        -> sends it by the method that the SDK has for it
    sdk.py live SERVER KEY                                     -> a short life of a subscription, as the SDK reads it
"""

import inspect
import json
import re
import sys
import urllib.parse
import urllib.request

import stripe

DAY = 86_400


def verify(said):
    try:
        event = stripe.Webhook.construct_event(said["body"], said["signature"], said["secret"])
    except stripe.SignatureVerificationError:
        return None
    return event.id


def sign(said):
    signer = stripe.WebhookSignature.generate_signature_header
    return signer(said["body"], said["secret"], said["at"])


class Sender:
    """Finds for each request the method of the SDK that makes it."""

    def __init__(self, client):
        self.methods = [found for part in (client.v1, client.v2) for found in methods(part)]

    def send(self, line):
        method, path, form = (line.split(" ", 2) + [""])[:3]
        fits = [
            (names, call, match)
            for (by, pattern, names, call) in self.methods
            if by == method.lower() and (match := pattern.fullmatch(path))
        ]
        # A path in words goes before one with a placeholder.
        names, call, match = min(fits, key=lambda it: len(it[0]))
        try:
            call(*(match[name] for name in names), params=parameters(form))
        except stripe.StripeError as error:
            return type(error).__name__
        return "done"


def methods(service):
    """All methods below a service: HTTP method, pattern of the path, placeholders in order, the method itself."""
    for name in getattr(sys.modules[type(service).__module__], "_subservices", {}):
        yield from methods(getattr(service, name))
    for name, function in inspect.getmembers(type(service), inspect.isfunction):
        source = inspect.getsource(function)
        found = re.search(r'self\._request\(\s*"(\w+)",\s*"([^"]+)"', source)
        if found:
            names = re.findall(r"{(\w+)}", found[2])
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(found[2]))
            yield found[1], re.compile(pattern), names, getattr(service, name)


def parameters(form):
    """A form, or JSON as the second API takes it, as the nested values that somebody hands to the SDK."""
    if form.startswith("{"):
        return json.loads(form)
    top = {}
    for name, value in urllib.parse.parse_qsl(form, keep_blank_values=True):
        *outer, last = re.findall(r"[^\[\]]+", name)
        place = top
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return listed(top)


def listed(value):
    if not isinstance(value, dict):
        return value
    inner = [listed(it) for it in value.values()]
    if value and list(value) == [str(place) for place in range(len(value))]:
        return inner
    return dict(zip(value, inner))


def live(server, client):
    def control(what, said):
        request = urllib.request.Request(f"{server}/_fake/{what}", json.dumps(said).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    read = {}
    v1 = client.v1
    meter = v1.billing.meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    month = {"interval": "month"}
    product = v1.products.create({"name": "Weather"})
    base, dearer = (
        v1.prices.create(
            {"currency": "usd", "product": product.id, "unit_amount": amount, "recurring": month}
        )
        for amount in (2_500, 4_000)
    )
    calls = v1.prices.create(
        {
            "currency": "usd",
            "product": product.id,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 1_000, "unit_amount": 0},
                {"up_to": "inf", "unit_amount_decimal": "0.5"},
            ],
            "recurring": {**month, "usage_type": "metered", "meter": meter.id},
            "expand": ["tiers"],
        }
    )
    read["tiers"] = [[tier.up_to, str(tier.unit_amount_decimal)] for tier in calls.tiers]

    customer = v1.customers.create({"name": "Example Ltd"}, {"idempotency_key": "customer"})
    again = v1.customers.create({"name": "Example Ltd"}, {"idempotency_key": "customer"})
    read["customers"] = [customer.id == again.id, len(v1.customers.list().data)]
    try:
        v1.customers.create({"name": "Other Ltd"}, {"idempotency_key": "customer"})
    except stripe.IdempotencyError as error:
        read["other_form"] = error.http_status

    subscription = v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": base.id}, {"price": calls.id}],
            "collection_method": "send_invoice",
            "days_until_due": 14,
            "expand": ["latest_invoice"],
        }
    )
    first = v1.invoices.finalize_invoice(subscription.latest_invoice.id)
    read["first"] = [subscription.status, first.status, first.amount_due]
    read["paid"] = v1.invoices.pay(first.id, {"paid_out_of_band": True}).status

    event = {
        "event_name": "calls",
        "identifier": "one",
        "payload": {"stripe_customer_id": customer.id, "value": "3000"},
    }
    v1.billing.meter_events.create(event)
    try:
        v1.billing.meter_events.create(event)
    except stripe.InvalidRequestError as error:
        read["event_again"] = error.http_status
    read["preview"] = v1.invoices.create_preview({"subscription": subscription.id}).total

    told = v1.events.list({"limit": 5}).auto_paging_iter()
    read["told"] = sorted({it.type for it in told} & {"customer.created", "invoice.paid"})
    control("clock", {"by": 32 * DAY})
    invoices = list(v1.invoices.list({"limit": 1}).auto_paging_iter())
    read["invoices"] = [[it.status, it.total] for it in invoices]
    of = {it.parent.subscription_details.subscription for it in invoices}
    read["invoices_are_of_it"] = of == {subscription.id}

    items = subscription["items"].data
    changed = v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": items[0].id, "price": dearer.id}], "proration_behavior": "none"},
    )
    read["changed"] = [changed.id == subscription.id, changed["items"].data[0].price.unit_amount]
    read["ended"] = v1.subscriptions.cancel(subscription.id, {"invoice_now": True}).status
    read["live"] = len(v1.subscriptions.list({"customer": customer.id}).data)
    try:
        v1.subscriptions.retrieve("sub_none")
    except stripe.InvalidRequestError as error:
        read["missing"] = [error.http_status, error.code]
    told = v1.events.list({"type": "customer.subscription.deleted"}).data
    read["told_last"] = [it.data.object.id == subscription.id for it in told]
    return read


def main(what, *rest):
    if what in ("send", "live"):
        server, key = rest
        stripe.enable_telemetry = False
        client = stripe.StripeClient(key, base_addresses={"api": server}, max_network_retries=0)
        if what == "live":
            print(json.dumps(live(server, client)))
            return
        answer = Sender(client).send
    else:
        answer = {"verify": verify, "sign": sign}[what]
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))))


main(*sys.argv[1:])
