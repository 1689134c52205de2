//! The list of capture cards and audio inputs that lies over the board: what each is called, whether a
//! signal comes in, who has it open.

use crate::model::Inventory;
use crate::model::device::{AudioInput, Device, Problem, Signal, User};
use crate::tongue::Tongue;

use super::card::lines;

/// The list; `None`: the cards have not answered yet.
pub fn list(tongue: Tongue, inventory: Option<&Inventory>) -> gtk::ScrolledWindow {
    let texts = texts(tongue, inventory).into_iter();
    lines(texts.map(|(text, is_trouble)| (text, is_trouble.then_some("trouble"))))
}

/// A text for each device, and whether something is wrong with it.
fn texts(tongue: Tongue, inventory: Option<&Inventory>) -> Vec<(String, bool)> {
    let only = |text: &str| vec![(text.to_owned(), false)];
    let Some(inventory) = inventory else {
        return only(tongue.tr("The cards are being asked…"));
    };
    let video = inventory.video.iter().map(|device| of_card(tongue, device));
    let audio = inventory.audio.iter();
    let audio = audio.map(|input| (of_input(tongue, input), false));
    let all: Vec<(String, bool)> = video.chain(audio).collect();
    if all.is_empty() {
        return only(tongue.tr("No capture card and no sound card is plugged in."));
    }
    all
}

fn of_card(tongue: Tongue, device: &Device) -> (String, bool) {
    let (state, is_trouble) = match (&device.problem, device.signal) {
        (Some(problem), _) => (trouble(tongue, problem), true),
        (None, Signal::Present) => (tongue.tr("Signal").to_owned(), false),
        (None, Signal::None) => (tongue.tr("No signal").to_owned(), true),
        (None, Signal::Unstable) => (
            tongue.tr("Unstable signal: try another cable").to_owned(),
            true,
        ),
        (None, Signal::Unsupported) => {
            let text = tongue.tr("The card does not take this mode: choose another at the sender");
            (text.to_owned(), true)
        }
        (None, Signal::Unknown) => {
            let text = tongue.tr("The card does not tell whether a signal comes in");
            (text.to_owned(), false)
        }
    };
    let mode = device.timings.as_ref();
    let mode = mode.filter(|_| device.signal == Signal::Present);
    let state = mode.map_or(state.clone(), |mode| format!("{state} {mode}"));
    let name = device.name().display();
    let users = users(tongue, &device.used_by);
    (
        format!("{}\n{name}\n{state}{users}", device.card),
        is_trouble,
    )
}

fn of_input(tongue: Tongue, input: &AudioInput) -> String {
    let users = users(tongue, &input.used_by);
    format!("{}, {}\n{}{users}", input.card, input.label, input.name)
}

fn users(tongue: Tongue, users: &[User]) -> String {
    if users.is_empty() {
        return String::new();
    }
    let programs: Vec<&str> = users.iter().map(|user| user.program.as_str()).collect();
    let text = tongue.tr("in use by {programs}");
    format!(" · {}", text.replace("{programs}", &programs.join(", ")))
}

fn trouble(tongue: Tongue, problem: &Problem) -> String {
    match problem {
        Problem::Denied => tongue.tr("The engine may not open it").to_owned(),
        Problem::Busy => tongue.tr("Another program has it for itself").to_owned(),
        Problem::Gone => tongue.tr("Unplugged").to_owned(),
        Problem::Hangs => tongue
            .tr("It does not answer: pull it and plug it in again")
            .to_owned(),
        Problem::Other(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::{FrameRate, Timings};

    fn card(signal: Signal, problem: Option<Problem>) -> Device {
        Device {
            node: "/dev/video1".into(),
            links: vec!["/dev/regie/video/card".into()],
            card: "Card".to_owned(),
            driver: String::new(),
            bus: String::new(),
            usb_megabits: None,
            inputs: Vec::new(),
            input: None,
            formats: Vec::new(),
            timings: Some(Timings {
                width: 1280,
                height: 720,
                interlaced: false,
                rate: FrameRate::from_interval(1, 50),
            }),
            signal,
            controls: Vec::new(),
            used_by: vec![User {
                pid: 7,
                program: "obs".to_owned(),
            }],
            problem,
        }
    }

    #[test]
    fn a_card_is_told_in_both_languages() {
        let (text, trouble) = of_card(Tongue::English, &card(Signal::Present, None));
        assert_eq!(
            text,
            "Card\n/dev/regie/video/card\nSignal 1280x720p50 · in use by obs"
        );
        assert!(!trouble);
        let (text, trouble) = of_card(Tongue::French, &card(Signal::None, None));
        assert_eq!(
            text,
            "Card\n/dev/regie/video/card\nPas de signal · utilisé par obs"
        );
        assert!(trouble);
        let hangs = card(Signal::Unknown, Some(Problem::Hangs));
        assert!(
            of_card(Tongue::English, &hangs)
                .0
                .contains("does not answer")
        );
        let none = texts(Tongue::English, Some(&Inventory::default()));
        assert!(none[0].0.contains("No capture card"));
    }
}
