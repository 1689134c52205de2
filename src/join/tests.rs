use super::*;
use crate::model::Entrance;
use crate::model::join::ShownKey;

fn entrance(protocol: &str, port: u16, hosts: &[&str]) -> Entrance {
    Entrance {
        protocol: protocol.to_owned(),
        port,
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
    }
}

fn invitation(key: Option<&str>, entrances: Vec<Entrance>) -> Invitation {
    Invitation {
        venue: "Amphi <A>".to_owned(),
        language: None,
        source: "laptop".parse().unwrap_or_else(|error| panic!("{error}")),
        label: "Laptop & \"stage\"".to_owned(),
        guests: 0,
        key: key.map(|key| ShownKey(key.to_owned())),
        entrances,
    }
}

fn everything(key: Option<&str>) -> Invitation {
    let hosts = ["10.20.0.5", "2001:db8::5"];
    let doors = [
        ("rtmp", 1935),
        ("rtmps", 1936),
        ("srt", 8890),
        ("rtsp", 8554),
    ];
    let doors = doors.map(|(protocol, port)| entrance(protocol, port, &hosts));
    invitation(key, doors.into())
}

#[test]
fn addresses_are_written_as_each_protocol_wants_them() {
    let routes = Routes::of(&everything(Some("tea-at-four")));
    let all: Vec<&str> = routes.all.iter().map(|(_, url)| url.as_str()).collect();
    assert_eq!(
        all,
        [
            "rtmp://10.20.0.5/ingest/laptop?key=tea-at-four",
            "rtmp://[2001:db8::5]/ingest/laptop?key=tea-at-four",
            "rtmps://10.20.0.5:1936/ingest/laptop?key=tea-at-four",
            "rtmps://[2001:db8::5]:1936/ingest/laptop?key=tea-at-four",
            "srt://10.20.0.5:8890?streamid=ingest/laptop&passphrase=tea-at-four",
            "srt://[2001:db8::5]:8890?streamid=ingest/laptop&passphrase=tea-at-four",
            "rtsp://laptop:tea-at-four@10.20.0.5:8554/ingest/laptop",
            "rtsp://laptop:tea-at-four@[2001:db8::5]:8554/ingest/laptop",
        ]
    );
    let obs = routes
        .obs
        .as_ref()
        .map(|obs| (&*obs.server, obs.key.as_deref()));
    let expected = ("rtmp://10.20.0.5/ingest", Some("laptop?key=tea-at-four"));
    assert_eq!(obs, Some(expected));
    assert!(routes.ffmpeg.ends_with(&format!("tcp '{}'", all[6])));
    assert!(!routes.is_local && !routes.srt_lacks_key);
}

#[test]
fn without_a_key_there_is_none_and_a_strange_one_is_encoded() {
    let routes = Routes::of(&everything(None));
    let all: Vec<&str> = routes.all.iter().map(|(_, url)| url.as_str()).collect();
    assert_eq!(all[0], "rtmp://10.20.0.5/ingest/laptop");
    assert_eq!(all[4], "srt://10.20.0.5:8890?streamid=ingest/laptop");
    assert_eq!(all[6], "rtsp://10.20.0.5:8554/ingest/laptop");
    let routes = Routes::of(&everything(Some("it's 5 o'clock & é")));
    assert_eq!(
        routes.best(),
        Some("rtmp://10.20.0.5/ingest/laptop?key=it%27s%205%20o%27clock%20%26%20%C3%A9")
    );
    assert!(routes.srt_lacks_key);
    assert!(routes.all.iter().all(|(word, _)| *word != "SRT"));
    // One pair of quotes, whatever the key.
    assert_eq!(routes.ffmpeg.matches('\'').count(), 2);
    let short = Routes::of(&everything(Some("short")));
    assert!(short.srt_lacks_key);
}

#[test]
fn obs_is_told_of_srt_where_rtmp_is_off_and_of_nothing_where_both_are() {
    let srt = entrance("srt", 8890, &["127.0.0.1"]);
    let rtsp = entrance("rtsp", 8554, &["127.0.0.1"]);
    let both = Routes::of(&invitation(None, vec![srt, rtsp.clone()]));
    let server = "srt://127.0.0.1:8890?streamid=ingest/laptop".to_owned();
    assert_eq!(both.obs, Some(route::Obs { server, key: None }));
    assert!(both.is_local);
    let invitation = invitation(None, vec![rtsp]);
    let card = Card::new(&invitation, Tongue::English);
    assert!(card.routes.obs.is_none());
    assert!(!card.text(false).contains("OBS"));
    assert_eq!(
        card.routes.best(),
        Some("rtsp://127.0.0.1:8554/ingest/laptop")
    );
    assert!(
        card.text(false)
            .contains("no address that laptops can reach")
    );
}

#[test]
fn the_card_says_it_in_the_reader_s_language() {
    let invitation = everything(Some("tea-at-four"));
    let english = Card::new(&invitation, Tongue::English).text(false);
    for line in [
        "  Service     Custom…\n",
        "  Server      rtmp://10.20.0.5/ingest\n",
        "  Stream Key  laptop?key=tea-at-four\n",
    ] {
        assert!(english.contains(line), "{english}");
    }
    let french = Card::new(&invitation, Tongue::French).text(false);
    assert!(french.contains("Personnalisé"), "{french}");
    assert!(french.contains("Clé de stream"), "{french}");
    let guests = Invitation {
        guests: 4,
        ..invitation
    };
    let text = Card::new(&guests, Tongue::French).text(true);
    assert!(text.starts_with("Invités · Amphi <A>\n"), "{text}");
    assert!(text.contains("\u{1b}[97;40m"));
}

#[test]
fn the_page_is_one_file_and_takes_names_for_what_they_are() {
    let invitation = everything(Some("tea-at-four"));
    let page = Card::new(&invitation, Tongue::French).html();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"fr\">"));
    assert!(page.contains("<h1>Laptop &amp; &quot;stage&quot;</h1><p>Amphi &lt;A&gt;</p>"));
    assert!(page.contains("<svg") && !page.contains("<?xml"));
    for loads in ["<img", "<link", "<script", "url(", "src=", "@import"] {
        assert!(!page.contains(loads), "{loads}");
    }
    let tags = |open: &str| page.matches(open).count();
    for tag in ["table", "tr", "td", "th", "div", "figure", "footer", "body"] {
        let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = tags(&format!("{opened}>")) + tags(&format!("{opened} "));
        assert_eq!(opened, tags(&closed), "{tag}");
    }
}

#[test]
fn a_key_is_masked_wherever_faults_are_looked_for() {
    let invitation = everything(Some("tea-at-four"));
    assert!(!format!("{invitation:?}").contains("tea"));
}
