//! Which place a guest gets. All guests say the same name and the same key, so the address is what
//! tells them apart. Pure: the time is given.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So long the number of a guest that has left is given to others last.
const KEPT: Duration = Duration::from_secs(600);

/// What is known of one place, in the order of their numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seat {
    /// Whether a guest has it, and is at work.
    pub taken: bool,
    /// Whether a guest has it, at work or silent.
    pub occupied: bool,
    /// Whether it plays a role: whoever sits there may be on air at once.
    pub has_role: bool,
    /// Whose it was last, and when that one was last there.
    pub last: Option<(IpAddr, Instant)>,
}

/// The number of the place that a guest from this address gets, from 0. `young`: the engine has only
/// just started, and knows nobody.
///
/// A guest that comes back gets the number it had. A stranger gets the first that nobody had lately,
/// then the one that was left longest ago; never one that has a role from its last guest: that one's
/// picture was wanted, and the stranger's would be on air unseen.
pub fn choose(seats: &[Seat], from: IpAddr, young: bool, now: Instant) -> Option<usize> {
    let numbered = || (0..).zip(seats);
    let of_this_guest = numbered()
        .filter(|(_, seat)| !seat.taken)
        .filter_map(|(number, seat)| Some((number, seat.last?)))
        .filter(|(_, (address, _))| *address == from)
        .max_by_key(|(_, (_, left))| *left);
    if let Some((number, _)) = of_this_guest {
        return Some(number);
    }
    let free = |seat: &Seat| !seat.taken && !(seat.has_role && (seat.last.is_some() || !young));
    let was_here_lately = |seat: &Seat| {
        let lately = |(_, left): (IpAddr, Instant)| now.duration_since(left) < KEPT;
        seat.last.is_some_and(lately)
    };
    numbered()
        .filter(|(_, seat)| free(seat))
        // A silent guest's place is the last resort; then the oldest memory goes first.
        .min_by_key(|(number, seat)| {
            let left = seat.last.filter(|_| was_here_lately(seat));
            (seat.occupied, left.map(|(_, left)| left), *number)
        })
        .map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_stranger_gets_the_first_free_place_and_a_guest_its_own() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let now = start + minute * 5;
        let empty = Seat::default();
        let taken = |by| Seat {
            taken: true,
            occupied: true,
            last: Some((address(by), start)),
            ..empty
        };
        let left = |by, minutes| Seat {
            last: Some((address(by), start + minute * minutes)),
            ..empty
        };
        let pick = |seats: &[Seat], by| choose(seats, address(by), false, now);
        assert_eq!(pick(&[empty, empty], 1), Some(0));
        assert_eq!(pick(&[taken(1), empty], 2), Some(1));
        assert_eq!(pick(&[taken(1), empty], 1), Some(1), "two at one address");
        assert_eq!(pick(&[left(1, 1), left(2, 2), empty], 2), Some(1));
        assert_eq!(pick(&[left(1, 1), left(2, 2), empty], 3), Some(2));
        assert_eq!(pick(&[left(1, 3), left(2, 2)], 3), Some(1));
        assert_eq!(pick(&[taken(1), taken(2)], 3), None);
        // Who was here long ago is forgotten.
        let much_later = now + KEPT;
        let seats = [left(1, 3), left(2, 2)];
        assert_eq!(choose(&seats, address(3), false, much_later), Some(0));
        // A silent guest gives way when there is no other place.
        let silent = Seat {
            taken: false,
            ..taken(1)
        };
        assert_eq!(pick(&[silent, empty], 3), Some(1));
        assert_eq!(pick(&[silent, taken(2)], 3), Some(0));
        assert_eq!(pick(&[silent, empty], 1), Some(0));
    }

    #[test]
    fn no_stranger_is_on_air_unseen() {
        let now = Instant::now();
        let on_air = Seat {
            has_role: true,
            last: Some((address(1), now)),
            ..Seat::default()
        };
        for young in [false, true] {
            assert_eq!(choose(&[on_air], address(2), young, now), None);
            assert_eq!(choose(&[on_air], address(1), young, now), Some(0));
        }
        // After a restart nobody knows who had it: whoever comes back at once is most likely that one.
        let unknown = Seat {
            last: None,
            ..on_air
        };
        let seats = [unknown, Seat::default()];
        assert_eq!(choose(&seats, address(2), true, now), Some(0));
        assert_eq!(choose(&seats, address(2), false, now), Some(1));
    }
}
