#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::model::View;

fn views(sizes: &[(u32, u32)]) -> Vec<ViewRequest> {
    let view = |(width, height)| ViewRequest {
        of: View::Programme,
        width,
        height,
        rate: 10,
    };
    sizes.iter().copied().map(view).collect()
}

fn pair(views: &[ViewRequest], levels: u32) -> (OwnMemory, LentMemory) {
    let own = OwnMemory::create(views, levels).unwrap();
    let lent = LentMemory::adopt(own.descriptor().unwrap(), views).unwrap();
    (own, lent)
}

#[test]
fn tracks_lie_one_after_the_other_on_pages() {
    let plan = Plan::new(&views(&[(960, 540), (16, 16)]), 5);
    assert_eq!((plan.levels.at, plan.levels.bytes), (4096, 160));
    assert_eq!(plan.levels.end(), 4096 * 5);
    assert_eq!(plan.views[0].at, 4096 * 5);
    assert_eq!(plan.views[0].bytes, 960 * 540 * 3 / 2);
    assert_eq!(plan.views[1].at, plan.views[0].end());
    assert_eq!(plan.views[1].bytes, 16 * 16 * 3 / 2);
    assert_eq!(plan.size, plan.views[1].end());
    let mut starts: Vec<u64> = (1..=6).map(|n| plan.views[0].slot(n)).collect();
    assert!(starts.iter().all(|at| at % PAGE == 0));
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), SLOTS);
}

#[test]
fn the_newest_is_read_once() {
    let views = views(&[(16, 16), (18, 16)]);
    let (mut own, lent) = pair(&views, 2);
    let mut into = Vec::new();
    let mut levels = Vec::new();
    assert_eq!(lent.level_count(), 2);
    assert_eq!(lent.picture(0, 0, &mut into).unwrap(), None);
    assert_eq!(lent.levels(0, &mut levels).unwrap(), None);
    for value in [10u8, 20, 30, 40] {
        own.write_picture(0, &[value; 16 * 16 * 3 / 2]).unwrap();
    }
    // Rows of 18 pixels take 20 bytes, rows of 9 take 12.
    own.write_picture(1, &[7; 20 * 16 + 2 * 12 * 8]).unwrap();
    assert_eq!(lent.picture(0, 0, &mut into).unwrap(), Some(4));
    assert_eq!(into, [40; 384]);
    assert_eq!(lent.picture(0, 4, &mut into).unwrap(), None);
    assert_eq!(lent.picture(1, 0, &mut into).unwrap(), Some(1));
    assert!(into.len() == 512 && into.iter().all(|byte| *byte == 7));
    let loud = Levels {
        momentary: -23.0,
        ..Levels::NOTHING
    };
    own.write_levels(&[Levels::NOTHING, loud]).unwrap();
    assert_eq!(lent.levels(0, &mut levels).unwrap(), Some(1));
    assert_eq!(levels, [Levels::NOTHING, loud]);
    assert!(own.write_picture(0, &[0; 7]).is_err());
    assert!(own.write_picture(2, &[0; 384]).is_err());
    assert!(lent.picture(2, 0, &mut into).is_err());
}

#[test]
fn the_engine_knows_when_it_is_looked_at() {
    let views = views(&[(16, 16)]);
    let own = OwnMemory::create(&views, 1).unwrap();
    let looks = own.looks();
    assert_eq!(looks.count().unwrap(), 0, "not fetched");
    let lent = LentMemory::adopt(own.descriptor().unwrap(), &views).unwrap();
    let mut seen = vec![0, looks.count().unwrap()];
    lent.picture(0, 0, &mut Vec::new()).unwrap();
    seen.push(looks.count().unwrap());
    lent.levels(0, &mut Vec::new()).unwrap();
    seen.push(looks.count().unwrap());
    let mut distinct = seen.clone();
    distinct.dedup();
    assert_eq!(distinct, seen);
    assert_eq!(lent.level_count(), 1, "the rest of the page is as it was");
}

#[test]
fn a_slot_that_is_being_written_is_not_read() {
    let views = views(&[(16, 16)]);
    let (mut own, lent) = pair(&views, 1);
    let mut into = Vec::new();
    for value in [1u8, 2, 3, 4] {
        own.write_picture(0, &[value; 384]).unwrap();
    }
    // The engine has come round to this slot, and is not through with it.
    let track = own.plan.views[0];
    own.file.write_all_at(&[0; 8], track.mark(4)).unwrap();
    assert_eq!(lent.picture(0, 3, &mut into).unwrap(), None);
    own.write_picture(0, &[5; 384]).unwrap();
    assert_eq!(lent.picture(0, 3, &mut into).unwrap(), Some(5));
    assert_eq!(into, [5; 384]);
}

#[test]
fn no_picture_is_ever_torn() {
    let views = views(&[(320, 180)]);
    let (mut own, lent) = pair(&views, 1);
    let size = views[0].picture_bytes() as usize;
    let read = Arc::new(AtomicBool::new(false));
    let enough = read.clone();
    let writer = std::thread::spawn(move || {
        let mut n = 0u8;
        while !enough.load(Ordering::Relaxed) {
            own.write_picture(0, &vec![n; size]).unwrap();
            n = n.wrapping_add(1);
        }
    });
    let (mut into, mut after, mut seen) = (Vec::new(), 0, 0);
    let begun = Instant::now();
    while seen < 200 && begun.elapsed() < Duration::from_secs(20) {
        if let Some(sequence) = lent.picture(0, after, &mut into).unwrap() {
            assert!(sequence > after);
            let expected = (sequence - 1) as u8;
            assert!(into.iter().all(|byte| *byte == expected), "torn");
            (after, seen) = (sequence, seen + 1);
        }
    }
    read.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(seen, 200, "pictures read");
}

#[test]
fn memory_that_is_something_else_is_refused() {
    let (asked, other) = (views(&[(16, 16)]), views(&[(16, 16), (16, 16)]));
    let own = OwnMemory::create(&asked, 3).unwrap();
    assert!(LentMemory::adopt(own.descriptor().unwrap(), &other).is_err());
    let larger = views(&[(640, 360)]);
    assert!(LentMemory::adopt(own.descriptor().unwrap(), &larger).is_err());
    let empty = File::from(memfd_create("empty", MemfdFlags::CLOEXEC).unwrap());
    assert!(LentMemory::adopt(empty.into(), &asked).is_err());
    // A panel cannot take the memory away under the engine.
    assert!(File::from(own.descriptor().unwrap()).set_len(0).is_err());
}
