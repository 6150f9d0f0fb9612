//! A progress bar on the terminal for whatever takes longer than a second.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keystile_git::Progress;

/// Shorter runs show nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the counters are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Shows a [`Progress`] until it is dropped. Nothing is drawn where standard error is no terminal.
#[derive(Debug)]
pub struct ProgressDisplay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressDisplay {
    /// Begins to show `progress`, if `wanted`.
    #[must_use]
    pub fn start(progress: &Arc<Progress>, wanted: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = (wanted && std::io::stderr().is_terminal()).then(|| {
            let (progress, stop) = (progress.clone(), stop.clone());
            std::thread::spawn(move || show(&progress, &stop))
        });
        Self { stop, thread }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A display that failed must not fail the scan.
            let _ = thread.join();
        }
    }
}

fn show(progress: &Progress, stop: &AtomicBool) {
    let start = Instant::now();
    let style = |template| ProgressStyle::with_template(template).expect("a constant template");
    let known = style("{msg} [{bar:30}] {human_pos}/{human_len} {eta}").progress_chars("=> ");
    let unknown = style("{spinner} {msg} {human_pos}");
    let mut bar: Option<ProgressBar> = None;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(INTERVAL);
        if start.elapsed() < PATIENCE {
            continue;
        }
        let (stage, done, total) = progress.now();
        let bar = bar.get_or_insert_with(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        if total > 0 {
            bar.set_style(known.clone());
            bar.set_length(total);
        } else {
            bar.set_style(unknown.clone());
        }
        bar.set_message(stage);
        bar.set_position(done);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}
