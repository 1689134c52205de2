//! Alarms: picture and sound arrive, and are wrong all the same.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Engine, Laptop, draw, free_port, seconds, wait_until};
use serde_json::{Value, json};

/// What is raised, with whose it is.
fn faults(status: &Value) -> Vec<String> {
    let all = status["faults"].as_array().unwrap().iter();
    let mut all: Vec<String> = all
        .map(|fault| {
            let whose = match fault["scope"].as_str() {
                Some(word) => word.to_owned(),
                None => fault["scope"]["source"].as_str().unwrap().to_owned(),
            };
            format!("{whose} {}", fault["code"].as_str().unwrap())
        })
        .collect();
    // A busy machine may have others.
    let is_alarm = |said: &String| {
        let code = said.split(' ').next_back().unwrap_or_default();
        ["silent", "clipping", "black", "frozen"].contains(&code)
    };
    all.retain(is_alarm);
    all.sort();
    all
}

#[test]
fn what_arrives_and_is_wrong_is_told_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let moving = |seconds: u32| format!("testsrc2=s=320x180:r=25:d={seconds}");
    // 6 s as it should be, 8 s black and silent, 6 s as it should be, 14 s too loud and one picture.
    let picture = format!(
        "{}[a];color=black:s=320x180:r=25:d=8[b];{}[c];{},loop=-1:1:0,trim=duration=14[d];\
         [a][b][c][d]concat=n=4",
        moving(6),
        moving(6),
        moving(1)
    );
    let loudness = "if(lt(t,6),0.2,if(lt(t,14),0,if(lt(t,20),0.2,3)))";
    let sound = format!("aevalsrc='{loudness}*(random(0)*2-1)':s=48000:d=34");
    let file = draw(folder.path(), "wrong.mp4", &picture, &sound);
    let relay = free_port();
    let engine = Engine::start(&format!(
        r#"
[programme]
size = "320x180"
[relay]
listen = "127.0.0.1:{relay}"
[alarms]
silence = "3s"
black = "3s"
frozen = "4s"
[[source]]
id = "camera"
kind = "push"
role = "speaker"
[[source]]
id = "laptop"
kind = "push"
role = "slides"
[[layout]]
id = "speaker"
slots = [ {{ role = "speaker" }} ]
"#
    ));
    let push = |id: &str| {
        let url = format!("rtsp://127.0.0.1:{relay}/ingest/{id}");
        Laptop::push(&file, &url).tcp()
    };
    let (_camera, _laptop) = (push("camera"), push("laptop"));
    let alarms = |status: &Value, source: usize| status["sources"][source]["alarms"].clone();
    engine.wait_status(seconds(8), "live", |status| {
        status["sources"][0]["state"] == "live" && status["sources"][1]["state"] == "live"
    });
    assert!(faults(&engine.status()).is_empty(), "{:#}", engine.status());
    // The slides may be silent, and stand still; black is no slide.
    let expected = [
        "camera black",
        "camera silent",
        "laptop black",
        "programme black",
        "programme silent",
    ];
    let status = engine.wait_status(seconds(15), "black and silent", |status| {
        faults(status) == expected
    });
    assert_eq!(alarms(&status, 0), json!(["silent", "black"]));
    assert_eq!(alarms(&status, 1), json!(["black"]));
    assert_eq!(status["encoding"]["alarms"], json!(["silent", "black"]));
    let said = engine.ctl(&["status"]).out;
    assert!(said.contains("ALARM     SILENT, BLACK"), "{said}");
    engine.wait_status(seconds(8), "well again", |status| {
        faults(status).is_empty() && alarms(status, 0) == json!([])
    });
    let expected = [
        "camera clipping",
        "camera frozen",
        "laptop clipping",
        "programme clipping",
    ];
    engine.wait_status(seconds(18), "too loud and frozen", |status| {
        faults(status) == expected
    });
    // A muted source need not be looked after, and nobody is there to be heard.
    engine.ctl(&["mute", "laptop", "on"]).assert_ok();
    wait_until(seconds(2), "what is not heard is not too loud", || {
        alarms(&engine.status(), 1) == json!([])
    });
}
