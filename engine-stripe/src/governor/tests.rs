use monetization_core::clock::ManualClock;

use super::*;

const NOW: Duration = Duration::ZERO;

fn governor(rates: Rates) -> (Governor, ManualClock) {
    let (clock, manual) = Clock::manual(Timestamp::from_secs(1_767_225_600));
    (Governor::new(rates, clock).unwrap(), manual)
}

fn rate(rate: u32) -> NonZeroU32 {
    NonZeroU32::new(rate).unwrap()
}

/// How many of a hundred requests pass at once.
async fn passing(governor: &Governor, key: &str, account: Option<&str>, lane: Lane) -> usize {
    let secret = Secret::new(key);
    let mut passed = 0;
    for _ in 0..100 {
        let turn = governor.wait(&secret, account, lane, NOW).await;
        passed += usize::from(turn.is_ok());
    }
    passed
}

#[tokio::test]
async fn each_account_has_a_rate_of_its_own_in_each_mode() {
    let (governor, _) = governor(Rates::default());
    let (test, live) = ("sk_test_1", "sk_live_1");
    assert_eq!(passing(&governor, test, None, Lane::Calls).await, 3);
    assert_eq!(passing(&governor, test, None, Lane::Calls).await, 0);
    assert_eq!(passing(&governor, "sk_test_2", None, Lane::Calls).await, 3);
    assert_eq!(
        passing(&governor, test, Some("acct_1"), Lane::Calls).await,
        3
    );
    assert_eq!(passing(&governor, live, None, Lane::Calls).await, 10);
    assert_eq!(passing(&governor, live, None, Lane::Events).await, 100);
    assert_eq!(
        passing(&governor, live, Some("acct_1"), Lane::Events).await,
        10
    );
}

#[tokio::test]
async fn a_turn_comes_with_time() {
    let (governor, manual) = governor(Rates {
        test: rate(10),
        ..Rates::default()
    });
    let secret = Secret::new("sk_test_1");
    let turn = || governor.wait(&secret, None, Lane::Calls, governor.clock.uptime());
    turn().await.unwrap();
    let error = turn().await.unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Retryable);
    assert_eq!(error.wait(), Some(Duration::from_millis(100)));
    manual.advance(Duration::from_millis(100));
    turn().await.unwrap();
}

#[tokio::test]
async fn a_request_waits_for_its_turn_within_its_time() {
    let rates = Rates {
        test: rate(50),
        ..Rates::default()
    };
    let governor = Governor::new(rates, Clock::system()).unwrap();
    let secret = Secret::new("sk_test_1");
    for _ in 0..8 {
        let until = governor.clock.uptime() + Duration::from_secs(5);
        governor
            .wait(&secret, None, Lane::Calls, until)
            .await
            .unwrap();
    }
    // Five at once, and three more of which each waits for a fiftieth of a second.
    assert!(governor.clock.uptime() >= Duration::from_millis(59));
}
