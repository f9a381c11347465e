use std::collections::BTreeSet;
use std::time::Duration;

use monetization_conformance::fault_proxy::{Chances, End, Fate, Fates, FaultProxy};
use monetization_conformance::sample::START;
use monetization_conformance::size;
use monetization_engine_mock::MockOptions;
use monetization_engine_mock::provider::Reply;
use monetization_engine_mock::transport::{Http, Transport, TransportError};

use super::super::caller::{SOON, Served, customer_call};

async fn proxied(fates: Fates) -> (Served, FaultProxy, Http) {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let proxy = FaultProxy::start(served.address, fates).await.unwrap();
    let http = Http::new(&format!("http://{}", proxy.address())).unwrap();
    (served, proxy, http)
}

#[tokio::test]
async fn a_call_on_a_connection_that_fails_may_have_been_done() {
    for (fate, done) in [
        (Fate::DropReply, 1),
        (
            Fate::Cut {
                towards: End::Client,
                bytes: 20,
            },
            1,
        ),
        (
            Fate::Cut {
                towards: End::Server,
                bytes: 20,
            },
            0,
        ),
    ] {
        let (served, _proxy, http) = proxied(Fates::listed([fate])).await;
        let answer = http.send(customer_call("a", 1, SOON)).await;
        assert!(
            matches!(answer, Err(TransportError::NoAnswer { .. })),
            "{fate:?}: {answer:?}"
        );
        assert_eq!(served.mock.control().customers().len(), done, "{fate:?}");
        http.send(customer_call("a", 1, SOON))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(served.mock.control().customers().len(), 1, "{fate:?}");
    }
}

/// What the transport says is what the provider shows: a call that was not sent was not done, one
/// that was answered was, and repeating under the same key makes each customer once.
#[tokio::test]
async fn over_any_network_each_call_is_done_once_in_the_end() {
    for seed in 0..size(5, 50) {
        let fates = Fates::seeded(seed, Chances::default());
        let (served, proxy, http) = proxied(fates).await;
        let control = served.mock.control();
        let mut names = BTreeSet::new();
        for customer in 0..20 {
            for attempt in 0.. {
                assert!(attempt < 100, "seed {seed}: never done");
                let before = control.customers().len();
                let call = customer_call(&format!("cus:{customer}"), customer, SOON);
                match http.send(call).await {
                    Ok(answer) => {
                        let Ok(Reply::Named(name)) = answer else {
                            panic!("seed {seed}: {answer:?}")
                        };
                        names.insert(name);
                        break;
                    }
                    Err(TransportError::NotSent { .. }) => {
                        assert_eq!(control.customers().len(), before, "seed {seed}");
                    }
                    Err(_) => {}
                }
                // A call that nobody waits for any more may still be on its way.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        let known: BTreeSet<_> = control.customers().into_iter().map(|it| it.id).collect();
        assert_eq!(known, names, "seed {seed}");
        assert_eq!(known.len(), 20, "seed {seed}: {:?}", proxy.befallen());
    }
}
