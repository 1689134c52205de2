//! On which of the machine's outputs the window is: by the connector's name, as `HDMI-1`.

use gtk::gdk;
use gtk::prelude::*;

/// Which of the outputs is wanted, as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// That one.
    Found(usize),
    /// None of that name.
    Missing,
}

/// The output of that name; case does not matter.
pub fn pick(wanted: &str, names: &[String]) -> Pick {
    let found = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(wanted));
    found.map_or(Pick::Missing, Pick::Found)
}

/// The display's outputs, in its order.
pub fn all(display: &gdk::Display) -> Vec<gdk::Monitor> {
    let monitors = display.monitors();
    monitors.iter::<gdk::Monitor>().flatten().collect()
}

/// What an output is called.
pub fn name(monitor: &gdk::Monitor) -> String {
    monitor.connector().map_or_else(String::new, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_found_by_their_connector() {
        let names = ["eDP-1", "HDMI-1", "HDMI-2"].map(str::to_owned);
        assert_eq!(pick("HDMI-2", &names), Pick::Found(2));
        assert_eq!(pick("hdmi-1", &names), Pick::Found(1));
        assert_eq!(pick("DP-3", &names), Pick::Missing);
        assert_eq!(pick("HDMI", &names), Pick::Missing);
    }
}
