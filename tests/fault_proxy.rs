//! The proxy does to connections what its fates say, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod processes {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::time::Duration;

    use monetization_conformance::fault_proxy::{Chances, End, Fate, Fates, FaultProxy};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    const QUESTION: &[u8] = b"0123456789";
    const ANSWER: &[u8] = b"abcdefghijklmnopqrst";
    const SOON: Duration = Duration::from_secs(20);

    /// Answers each question of ten bytes with twenty, and notes what it got.
    struct Server {
        address: SocketAddr,
        heard: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Server {
        async fn start() -> Self {
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
            let notes = Arc::clone(&heard);
            tokio::spawn(async move {
                while let Ok((mut client, _)) = socket.accept().await {
                    let notes = Arc::clone(&notes);
                    tokio::spawn(async move {
                        let mut question = Vec::new();
                        let mut limited = (&mut client).take(QUESTION.len() as u64);
                        drop(limited.read_to_end(&mut question).await);
                        let is_whole = question == QUESTION;
                        notes.lock().unwrap().push(question);
                        if is_whole {
                            drop(client.write_all(ANSWER).await);
                        }
                    });
                }
            });
            Self { address, heard }
        }

        /// What it has heard, once it has heard so many.
        async fn heard(&self, many: usize) -> Vec<Vec<u8>> {
            let waited = timeout(SOON, async {
                while self.heard.lock().unwrap().len() < many {
                    tokio::task::yield_now().await;
                }
            });
            waited.await.unwrap();
            self.heard.lock().unwrap().clone()
        }
    }

    /// Asks over a connection of its own; what came back, and how it ended.
    async fn ask(address: SocketAddr) -> (Vec<u8>, io::Result<()>) {
        let mut answer = Vec::new();
        let asked = async {
            let mut server = TcpStream::connect(address).await?;
            server.write_all(QUESTION).await?;
            server.read_to_end(&mut answer).await.map(drop)
        };
        let ended = timeout(SOON, asked).await.unwrap();
        (answer, ended)
    }

    async fn proxy(server: &Server, fate: Fate) -> FaultProxy {
        let fates = Fates::listed([fate]);
        FaultProxy::start(server.address, fates).await.unwrap()
    }

    #[tokio::test]
    async fn a_network_that_is_severed_ends_what_there_is_and_lets_pass_what_comes() {
        let server = Server::start().await;
        let proxy = proxy(&server, Fate::Pass).await;
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(&QUESTION[..4]).await.unwrap();
        while proxy.befallen().is_empty() {
            tokio::task::yield_now().await;
        }
        proxy.sever();
        let mut answer = Vec::new();
        let ended = timeout(SOON, client.read_to_end(&mut answer)).await;
        drop(ended.unwrap());
        assert_eq!(answer, b"");
        let (answer, ended) = ask(proxy.address()).await;
        ended.unwrap();
        assert_eq!(answer, ANSWER);
    }

    #[tokio::test]
    async fn what_passes_is_the_same_on_both_sides() {
        let server = Server::start().await;
        for fate in [Fate::Pass, Fate::Delay(Duration::from_millis(20))] {
            let proxy = proxy(&server, fate).await;
            let (answer, ended) = ask(proxy.address()).await;
            ended.unwrap();
            assert_eq!(answer, ANSWER);
        }
        assert_eq!(server.heard(2).await, [QUESTION, QUESTION]);
    }

    #[tokio::test]
    async fn a_cut_towards_the_server_lets_that_many_bytes_through() {
        let server = Server::start().await;
        let fate = Fate::Cut {
            towards: End::Server,
            bytes: 4,
        };
        let proxy = proxy(&server, fate).await;
        let (answer, _) = ask(proxy.address()).await;
        assert_eq!(answer, b"");
        assert_eq!(server.heard(1).await, [&QUESTION[..4]]);
    }

    #[tokio::test]
    async fn a_cut_towards_the_client_lets_that_many_bytes_through() {
        let server = Server::start().await;
        let fate = Fate::Cut {
            towards: End::Client,
            bytes: 7,
        };
        let proxy = proxy(&server, fate).await;
        let (answer, _) = ask(proxy.address()).await;
        assert_eq!(answer, &ANSWER[..7]);
        assert_eq!(server.heard(1).await, [QUESTION]);
    }

    #[tokio::test]
    async fn a_dropped_reply_was_asked_for_whole() {
        let server = Server::start().await;
        let proxy = proxy(&server, Fate::DropReply).await;
        let (answer, _) = ask(proxy.address()).await;
        assert_eq!(answer, b"");
        assert_eq!(server.heard(1).await, [QUESTION]);
    }

    #[tokio::test]
    async fn a_half_closed_connection_still_asks() {
        let server = Server::start().await;
        let proxy = proxy(&server, Fate::HalfClose).await;
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(SOON, client.read_to_end(&mut answer)).await;
        assert_eq!(
            ended.unwrap().unwrap(),
            0,
            "the end, before anything is asked"
        );
        client.write_all(QUESTION).await.unwrap();
        assert_eq!(server.heard(1).await, [QUESTION]);
    }

    #[tokio::test]
    async fn a_refused_connection_never_reaches_the_server() {
        let server = Server::start().await;
        let proxy = proxy(&server, Fate::Refuse).await;
        let (answer, ended) = ask(proxy.address()).await;
        assert_eq!(answer, b"");
        ended.unwrap_err();
        let (answer, _) = ask(proxy.address()).await;
        assert_eq!(answer, ANSWER, "the list is at its end");
        assert_eq!(server.heard(1).await, [QUESTION]);
        assert_eq!(proxy.befallen(), [Fate::Refuse, Fate::Pass]);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_as_if_without_the_proxy() {
        let server = Server::start().await;
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nowhere = gone.local_addr().unwrap();
        drop(gone);
        let proxy = FaultProxy::start(nowhere, Fates::listed([])).await.unwrap();
        ask(proxy.address()).await.1.unwrap_err();
        proxy.point_at(server.address);
        assert_eq!(ask(proxy.address()).await.0, ANSWER);
    }

    #[tokio::test]
    async fn a_proxy_that_is_dropped_ends_its_connections() {
        let server = Server::start().await;
        let proxy = proxy(&server, Fate::Pass).await;
        let address = proxy.address();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&QUESTION[..1]).await.unwrap();
        drop(proxy);
        let mut answer = Vec::new();
        drop(
            timeout(SOON, client.read_to_end(&mut answer))
                .await
                .unwrap(),
        );
        assert_eq!(answer, b"");
        let refused = timeout(SOON, async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        refused.await.unwrap();
    }

    #[tokio::test]
    async fn whatever_a_seed_makes_up_an_answer_is_never_wrong() {
        let server = Server::start().await;
        let fates = Fates::seeded(7, Chances::default());
        let proxy = FaultProxy::start(server.address, fates).await.unwrap();
        let mut whole = 0;
        for _ in 0..60 {
            let (answer, _) = ask(proxy.address()).await;
            assert!(ANSWER.starts_with(&answer), "{answer:?}");
            whole += usize::from(answer == ANSWER);
        }
        let befallen = proxy.befallen();
        let passed = befallen.iter().filter(|fate| **fate == Fate::Pass).count();
        assert!((passed..60).contains(&whole), "{whole} of {passed}");
    }
}
