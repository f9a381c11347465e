use super::*;

fn read<'a>(line: &'a str, by: &str) -> Result<Entry<'a>, LineError> {
    Entry::parse(line.as_bytes(), &by.parse().unwrap())
}

const NGINX: &str = r#"{"time_iso8601":"2015-05-17T12:05:03+02:00","remote_addr":"192.0.2.7","remote_user":"bob","request":"POST /a?b=c HTTP/2.0","status":"201","body_bytes_sent":"12","request_length":"345","http_x_api_key":"k-1"}"#;
const CADDY: &str = r#"{"level":"info","ts":1431857103.25,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.1","remote_port":"5678","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"POST","host":"example.com","uri":"/a?b=c","headers":{"User-Agent":["curl"],"X-Api-Key":["k-1","k-2"]}},"bytes_read":345,"user_id":"bob","duration":0.001,"size":12,"status":201,"resp_headers":{"Server":["Caddy"]}}"#;
const TRAEFIK: &str = r#"{"ClientAddr":"192.0.2.7:4567","ClientHost":"192.0.2.7","ClientUsername":"bob","DownstreamContentSize":12,"DownstreamStatus":201,"Duration":1000,"OriginStatus":201,"RequestContentSize":345,"RequestMethod":"POST","RequestPath":"/a?b=c","StartUTC":"2015-05-17T10:05:03.123456789Z","level":"info","msg":"","request_X-Api-Key":"k-1","time":"2015-05-17T10:05:04Z"}"#;

#[test]
fn lines_of_nginx_caddy_and_traefik_say_the_same() {
    let seconds = [
        "2015-05-17T10:05:03Z",
        "2015-05-17T10:05:03.25Z",
        "2015-05-17T10:05:03.123456Z",
    ];
    for (line, at) in [NGINX, CADDY, TRAEFIK].into_iter().zip(seconds) {
        let expected = |consumer: &'static str| Entry {
            consumer: Some(consumer.into()),
            at: at.parse().unwrap(),
            method: Method::POST,
            target: "/a?b=c".into(),
            status: 201,
            sent_bytes: 12,
            received_bytes: 345,
        };
        assert_eq!(read(line, "address"), Ok(expected("192.0.2.7")));
        assert_eq!(read(line, "user"), Ok(expected("bob")));
        assert_eq!(read(line, "header:X-API-Key"), Ok(expected("k-1")));
        let other = read(line, "header:x-other").unwrap();
        assert_eq!(other.consumer, None);
    }
}

/// As Apache writes it with the format that the README has, and a header.
const APACHE: &str = r#"{"time":"[17/May/2015:12:05:03 +0200]","remote_addr":"192.0.2.7","remote_user":"bob","request":"POST /a?b=c HTTP/1.1","status":"201","bytes_sent":"12","http_x_api_key":"k-1"}"#;

#[test]
fn lines_of_apache_say_the_same() {
    let expected = Entry {
        received_bytes: 0,
        at: "2015-05-17T10:05:03Z".parse().unwrap(),
        ..read(NGINX, "address").unwrap()
    };
    assert_eq!(read(APACHE, "address"), Ok(expected.clone()));
    let spaced = format!("\t {APACHE} ");
    assert_eq!(read(&spaced, "address"), Ok(expected));
    let key = read(APACHE, "header:X-API-Key").unwrap();
    assert_eq!(key.consumer.unwrap(), "k-1");
    let nobody = APACHE.replace("\"bob\"", "\"-\"");
    assert_eq!(read(&nobody, "user").unwrap().consumer, None);
}

#[test]
fn of_a_list_of_addresses_the_first_is_the_client() {
    let list = NGINX.replace("192.0.2.7", "192.0.2.8, 10.0.0.1");
    let entry = read(&list, "address").unwrap();
    assert_eq!(entry.consumer.unwrap(), "192.0.2.8");
    let list = NGINX.replace("192.0.2.7", "unknown, 10.0.0.1");
    assert_eq!(read(&list, "address"), Err(LineError::Address));
}

#[test]
fn a_port_is_no_part_of_a_consumer() {
    let line = TRAEFIK.replace(r#""ClientHost":"192.0.2.7","#, "");
    let entry = read(&line, "address").unwrap();
    assert_eq!(entry.consumer.unwrap(), "192.0.2.7");
}

#[test]
fn the_best_name_wins_wherever_it_stands() {
    let line = r#"{"time":"2026-01-01T00:00:00Z","ts":1,"method":"GET","uri":"/","status":200}"#;
    let early = read(line, "address").unwrap();
    assert_eq!(early.at.to_string(), "1970-01-01T00:00:01Z");
    assert_eq!((early.consumer, early.sent_bytes), (None, 0));
}

#[test]
fn what_is_wrong_is_named() {
    let table = [
        ("{", LineError::Json),
        ("{}x", LineError::Json),
        ("{\"status\":}", LineError::Json),
        (r#"{"request":[]}"#, LineError::Json),
        ("{}", LineError::Time),
        (r#"{"ts":{"a":1}}"#, LineError::Time),
        (r#"{"ts":"yesterday"}"#, LineError::Time),
        (r#"{"ts":1}"#, LineError::Request),
        (r#"{"ts":1,"request":"-"}"#, LineError::Request),
        (r#"{"ts":1,"request":"GET /"}"#, LineError::Request),
        (
            r#"{"ts":1,"method":"GET","uri":"/a b"}"#,
            LineError::Request,
        ),
        (
            r#"{"ts":1,"method":"GET","uri":"/","status":99}"#,
            LineError::Status,
        ),
        (
            r#"{"ts":1,"method":"GET","uri":"/","status":200,"size":-1}"#,
            LineError::Size,
        ),
    ];
    for (line, error) in table {
        assert_eq!(read(line, "address"), Err(error), "{line}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(10_000));
    assert_eq!(read(&deep, "address"), Err(LineError::Json));
}
