//! Invoices that a caller makes, credit notes, lists.

use monetization_conformance::stripe::fake::Request;

use super::shop::{DAY, START, Shop};

#[test]
fn an_invoice_is_made_filled_finalised_and_paid() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    let pending = format!("customer={customer}&currency=usd&amount=7");
    shop.post("/v1/invoiceitems", &pending);
    let body = format!(
        "customer={customer}&collection_method=send_invoice&days_until_due=30&currency=usd&auto_advance=false&metadata[invoice]=inv-1"
    );
    let id = shop.make("/v1/invoices", &body);
    let item = format!(
        "customer={customer}&invoice={id}&currency=usd&amount=1250&description=Calls&period[start]={START}&period[end]={}&metadata[line]=1",
        START + DAY
    );
    let kept = shop.make("/v1/invoiceitems", &item);
    let dropped = shop.make("/v1/invoiceitems", &item);
    assert_eq!(
        shop.delete(&format!("/v1/invoiceitems/{dropped}"), "")
            .json()["deleted"],
        true
    );
    let credit = format!("customer={customer}&invoice={id}&currency=usd&amount=-250");
    shop.post("/v1/invoiceitems", &credit);
    let path = format!("/v1/invoices/{id}");
    let draft = shop.get(&path, "");
    assert_eq!(
        (draft["status"].as_str(), draft["total"].as_i64()),
        (Some("draft"), Some(1_000))
    );
    let open = shop.post(&format!("{path}/finalize"), "");
    assert_eq!(
        (open["status"].as_str(), open["amount_due"].as_i64()),
        (Some("open"), Some(1_000))
    );
    assert_eq!(open["due_date"], START + 30 * DAY);
    for (method, path, body) in [
        ("finalize", &path, String::new()),
        ("items", &"/v1/invoiceitems".to_owned(), item),
    ] {
        let path = if method == "finalize" {
            format!("{path}/finalize")
        } else {
            path.clone()
        };
        let refused = shop.try_post(&path, &body);
        assert_eq!(
            (refused.status, refused.json()["error"]["code"].as_str()),
            (400, Some("invoice_not_editable"))
        );
    }
    let lines = shop.get(&format!("{path}/lines"), "limit=1");
    assert_eq!(
        (
            lines["has_more"].as_bool(),
            lines["data"].as_array().unwrap().len()
        ),
        (Some(true), 1)
    );
    assert_eq!(
        lines["data"][0]["parent"]["invoice_item_details"]["invoice_item"],
        kept.as_str()
    );
    let paid = shop.post(&format!("{path}/pay"), "paid_out_of_band=true");
    assert_eq!(
        (paid["status"].as_str(), paid["amount_remaining"].as_i64()),
        (Some("paid"), Some(0))
    );
    assert_eq!(shop.try_post(&format!("{path}/void"), "").status, 400);
}

#[test]
fn an_invoice_is_void_or_given_up_and_a_draft_is_deleted() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    let mut made = |ends: &str| {
        let id = shop.make("/v1/invoices", &format!("customer={customer}"));
        let path = format!("/v1/invoices/{id}");
        if ends == "delete" {
            return shop.delete(&path, "").json()["deleted"].to_string();
        }
        shop.post(
            "/v1/invoiceitems",
            &format!("customer={customer}&invoice={id}&currency=usd&amount=5"),
        );
        shop.post(&format!("{path}/finalize"), "");
        shop.post(&format!("{path}/{ends}"), "")["status"].to_string()
    };
    assert_eq!(made("void"), "\"void\"");
    assert_eq!(made("mark_uncollectible"), "\"uncollectible\"");
    assert_eq!(made("delete"), "true");
}

#[test]
fn a_credit_note_takes_off_what_is_open_and_gives_back_what_was_paid() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    let id = shop.make("/v1/invoices", &format!("customer={customer}"));
    shop.post(
        "/v1/invoiceitems",
        &format!("customer={customer}&invoice={id}&currency=usd&amount=1000"),
    );
    shop.post(&format!("/v1/invoices/{id}/finalize"), "");
    let line = "lines[0][type]=custom_line_item&lines[0][description]=x&lines[0][quantity]=2&lines[0][unit_amount]=150";
    let note = shop.post("/v1/credit_notes", &format!("invoice={id}&{line}"));
    assert_eq!(
        (note["amount"].as_i64(), note["type"].as_str()),
        (Some(300), Some("pre_payment"))
    );
    assert_eq!(
        shop.get(&format!("/v1/invoices/{id}"), "")["amount_remaining"],
        700
    );
    shop.fake.pay(&id).unwrap();
    let too_much = shop.try_post(
        "/v1/credit_notes",
        &format!("invoice={id}&amount=701&credit_amount=701"),
    );
    assert_eq!(too_much.status, 400);
    assert_eq!(
        shop.try_post("/v1/credit_notes", &format!("invoice={id}&amount=100"))
            .status,
        400,
        "to whom?"
    );
    shop.post(
        "/v1/credit_notes",
        &format!("invoice={id}&amount=700&credit_amount=700"),
    );
    assert_eq!(
        shop.get(&format!("/v1/customers/{customer}"), "")["balance"],
        -700
    );
    assert_eq!(
        shop.get("/v1/credit_notes", &format!("invoice={id}"))["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn lists_are_read_a_page_at_a_time_in_both_directions() {
    let mut shop = Shop::open();
    let made: Vec<String> = (0..25).map(|_| shop.customer()).collect();
    let mut read = Vec::new();
    let mut query = "limit=10".to_owned();
    loop {
        let page = shop.get("/v1/customers", &query);
        let ids = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned());
        read.extend(ids);
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=10&starting_after={}", read.last().unwrap());
    }
    assert!(made.iter().rev().eq(&read), "newest first, each once");
    let all = shop.fake.objects("customer");
    assert!(
        made.iter()
            .eq(all.iter().map(|it| it["id"].as_str().unwrap()))
    );
    let before = shop.get(
        "/v1/customers",
        &format!("limit=10&ending_before={}", read[12]),
    );
    assert_eq!(before["data"][0]["id"], read[2].as_str());
    assert_eq!(before["has_more"], true);
    assert_eq!(
        shop.ask(Request::get("/v1/customers", "starting_after=cus_nobody"))
            .status,
        400
    );
}

#[test]
fn prices_are_found_again_by_their_lookup_key() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let body =
        |more: &str| format!("currency=usd&product={product}&unit_amount=1&lookup_key=base{more}");
    let first = shop.make("/v1/prices", &body(""));
    assert_eq!(shop.try_post("/v1/prices", &body("")).status, 400);
    let second = shop.make("/v1/prices", &body("&transfer_lookup_key=true"));
    let found = shop.get("/v1/prices", "lookup_keys[]=base&lookup_keys[]=other");
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], second.as_str());
    shop.post(&format!("/v1/prices/{first}"), "active=false&metadata[a]=b");
    let listed = shop.get("/v1/prices", &format!("product={product}&active=true"));
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let twice = shop.try_post("/v1/products", "name=a&id=own").status;
    assert_eq!(
        (
            twice,
            shop.try_post("/v1/products", "name=b&id=own").json()["error"]["code"].as_str()
        ),
        (200, Some("resource_already_exists"))
    );
}

#[test]
fn members_are_expanded_where_they_are_asked_for() {
    let mut shop = Shop::open();
    let (meter, product, customer) = (shop.meter("calls"), shop.product("API"), shop.customer());
    let tiers = "billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=inf&tiers[0][unit_amount_decimal]=0.5";
    let price = shop.metered(&product, &meter, tiers);
    let plain = shop.get(&format!("/v1/prices/{price}"), "");
    assert!(plain.get("tiers").is_none());
    let id = shop.subscribe(&customer, &[&price], "")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let expand =
        "expand[]=customer&expand[]=items.data.price.tiers&expand[]=items.data.price.product";
    let found = shop.get(&format!("/v1/subscriptions/{id}"), expand);
    assert_eq!(found["customer"]["name"], "Example");
    let price = &found["items"]["data"][0]["price"];
    assert_eq!(
        (
            price["tiers"][0]["unit_amount_decimal"].as_str(),
            price["product"]["name"].as_str()
        ),
        (Some("0.5"), Some("API"))
    );
}
