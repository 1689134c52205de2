//! Conversations of good and of bad publishers.

use super::*;

fn greeting() -> Vec<u8> {
    [&[VERSION][..], &[7; GREETING * 2]].concat()
}

fn command(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    chunk::write(&mut out, COMMANDS, kind::COMMAND, 0, &amf::write(values));
    // As the peer's first chunk size has it.
    let mut cut = out[..12.min(out.len())].to_vec();
    for (number, piece) in out[12..].chunks(128).enumerate() {
        if number > 0 {
            cut.push(0xC0 | COMMANDS);
        }
        cut.extend(piece);
    }
    cut
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn connect(application: &str) -> Vec<u8> {
    let about = object(&[("app", application)]);
    command(&[text("connect"), Value::Number(1.0), about])
}

fn publish(stream: &str) -> Vec<u8> {
    let number = Value::Number(5.0);
    command(&[
        text("publish"),
        number,
        Value::Null,
        text(stream),
        text("live"),
    ])
}

/// A session that waits for our word.
fn asking(application: &str, stream: &str) -> (Session, Address) {
    let mut session = Session::default();
    session.take(&[greeting(), connect(application), publish(stream)].concat());
    let Ok(Some(Event::Publish(address))) = session.next_event() else {
        panic!("no wish to publish")
    };
    (session, address)
}

fn said(session: &mut Session, what: &str) -> bool {
    let out = std::mem::take(session.out());
    out.windows(what.len()).any(|own| own == what.as_bytes())
}

fn video(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    chunk::write(&mut out, 6, kind::VIDEO, STREAM, payload);
    out
}

#[test]
fn a_publisher_is_asked_about_and_heard() {
    let (mut session, address) = asking("ingest", "laptop?key=K");
    assert_eq!(
        (address.name.as_str(), address.key.as_deref()),
        ("laptop", Some("K"))
    );
    assert!(said(&mut session, "NetConnection.Connect.Success"));
    // What it sends meanwhile waits.
    session.take(&video(&[1, 2, 3]));
    assert_eq!(session.next_event(), Ok(None));
    session.accept();
    assert_eq!(
        session.next_event(),
        Ok(Some(Event::Video(0, vec![1, 2, 3])))
    );
    assert!(said(&mut session, "NetStream.Publish.Start"));
    session.take(&command(&[text("deleteStream"), Value::Number(6.0)]));
    assert_eq!(session.next_event(), Ok(Some(Event::Farewell)));
    session.take(&video(&[1]));
    assert_eq!(session.next_event(), Ok(None));
}

#[test]
fn whoever_is_turned_away_is_told_why() {
    let (mut session, _) = asking("ingest", "laptop");
    session.refuse("the key is wrong");
    let out = String::from_utf8_lossy(session.out()).into_owned();
    assert!(out.contains("NetStream.Publish.BadName") && out.contains("the key is wrong"));
    session.take(&[0xFF; 100]);
    assert_eq!(session.next_event(), Ok(None), "nothing counts any more");

    let mut session = Session::default();
    session.take(&[greeting(), connect("live")].concat());
    assert!(matches!(session.next_event(), Ok(Some(Event::Misled(_)))));
    assert!(said(&mut session, "NetConnection.Connect.Rejected"));
}

#[test]
fn nobody_has_memory_or_answers_without_end() {
    let mut session = Session::default();
    session.take(b"GET / HTTP/1.1\r\n");
    assert_eq!(session.next_event(), Err(Violation::Version));
    // A long message before it is let in, and after.
    let (mut session, _) = asking("ingest", "laptop");
    session.accept();
    let mut long = video(&[0; 200]);
    long[4..7].copy_from_slice(&[0xFF; 3]);
    session.take(&long);
    assert_eq!(session.next_event(), Err(Violation::TooLong));
    let mut session = Session::default();
    session.take(&[greeting(), long].concat());
    assert_eq!(session.next_event(), Err(Violation::TooLong));
    // Questions, and no answer is ever read.
    let mut session = Session::default();
    session.take(&[greeting(), connect("ingest")].concat());
    assert_eq!(session.next_event(), Ok(None));
    let ask = command(&[text("createStream"), Value::Number(2.0)]);
    let mut end = Ok(None);
    for _ in 0..10_000 {
        session.take(&ask);
        end = session.next_event();
        if end.is_err() {
            break;
        }
    }
    assert!(matches!(end, Err(Violation::Order | Violation::Deaf)));
    assert!(session.out().len() < OUT + 4096);
}

#[test]
fn what_has_come_is_acknowledged_once_it_is_read() {
    let (mut session, _) = asking("ingest", "laptop");
    session.accept();
    session.out().clear();
    let mut sizes = Vec::new();
    for _ in 0..40 {
        // Audio in pieces of 128 bytes, some 160 kB each.
        session.take(&video(&[9; 128]).repeat(1200));
        while session.next_event().unwrap().is_some() {}
        sizes.push(session.out().len());
    }
    // 16 bytes; never twice without being taken.
    assert_eq!(sizes.last(), Some(&16));
}
