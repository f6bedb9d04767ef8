//! How far the fit has come: a bar on a terminal, ten lines anywhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::loss::Sample;

const TEMPLATE: &str = "{bar:24.cyan} {pos}/{len}  {msg}  {eta} left";

/// Reports to the standard error stream.
pub struct Progress {
    total: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well-formed");
            ProgressBar::new(total as u64).with_style(style)
        });
        Progress { total, bar }
    }

    /// After iteration `done` (1 to the total).
    pub fn report(&self, done: usize, sample: Sample) {
        let text = format!("SSIM {:.4}  loss {:.6}", sample.ssim, sample.loss);
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(text);
            }
            None if is_due(done, self.total) => {
                let width = self.total.to_string().len();
                eprintln!("iteration {done:width$}/{}  {text}", self.total);
            }
            None => {}
        }
    }

    /// Removes the bar, so that the summary stands alone.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether another tenth of the total is reached with iteration `done`.
fn is_due(done: usize, total: usize) -> bool {
    done * 10 / total != (done - 1) * 10 / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_the_last_at_the_end() {
        for total in [10, 37, 300] {
            let due: Vec<usize> = (1..=total).filter(|&done| is_due(done, total)).collect();
            assert_eq!((due.len(), due.last()), (10, Some(&total)));
        }
        assert_eq!((1..=3).filter(|&done| is_due(done, 3)).count(), 3);
    }
}
