use std::collections::BTreeMap;

use monetization_core::engine::{Page, PageRequest};

use crate::tests::{Reply, Server, cx};

#[tokio::test]
async fn each_page_is_asked_for_as_stripe_wants_it() {
    let back = "https://shop.example.com/account";
    let configured = ("PortalConfiguration".to_owned(), "bpc_1".to_owned());
    let cases = [
        (
            Page::Portal,
            BTreeMap::new(),
            "POST /v1/billing_portal/sessions customer=cus_1&return_url=https://shop.example.com/account",
        ),
        (
            Page::Portal,
            BTreeMap::from([configured]),
            "POST /v1/billing_portal/sessions configuration=bpc_1&customer=cus_1&return_url=https://shop.example.com/account",
        ),
        (
            Page::Checkout,
            BTreeMap::new(),
            "POST /v1/checkout/sessions cancel_url=https://shop.example.com/account&currency=usd&customer=cus_1&mode=setup&success_url=https://shop.example.com/account",
        ),
    ];
    for (page, attributes, line) in cases {
        let server =
            Server::start(|_| Reply::ok(r#"{"id":"s_1","url":"https://pay.test/s"}"#)).await;
        let portal = server.engine().portal.unwrap();
        let request = PageRequest {
            page,
            return_url: back.parse().unwrap(),
            currency: "USD".parse().unwrap(),
            attributes,
        };
        let url = portal
            .page_url(&cx("page:1"), &"cus_1".parse().unwrap(), &request)
            .await;
        assert_eq!(url.unwrap(), "https://pay.test/s");
        assert_eq!(server.lines(), [line]);
        assert_eq!(server.seen()[0].key(), Some("page:1"));
    }
}
