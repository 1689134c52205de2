//! What a process uses, as Linux tells it to everybody (proc(5)).

/// Of the kernel's clock, per second.
const TICKS: f64 = 100.0;

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub memory_mib: f64,
    pub threads: u64,
    pub descriptors: u64,
    /// Seconds of processor time so far, in its own code and in the system's.
    pub processor: f64,
}

impl Usage {
    #[track_caller]
    pub fn of(id: u32) -> Self {
        let status = read(id, "status");
        let number = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        let times = read(id, "stat");
        // The name may hold anything, and ends at the last parenthesis.
        let after_name = times.rsplit(')').next().unwrap();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        Self {
            memory_mib: number("VmRSS:") as f64 / 1024.0,
            threads: number("Threads:"),
            descriptors: descriptors.count() as u64,
            processor: ticks.map(|n| n.parse::<f64>().unwrap()).sum::<f64>() / TICKS,
        }
    }
}

#[track_caller]
fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap()
}
