//! The SSIM map as colours, with a bar that says what they mean.

use fused_ssim::{Error, Options, Padding, Problem, Reduction, forward};
use image::{RgbImage, imageops};

use super::canvas::{Anchor, Canvas, Font, INK, PALE};
use super::color_map::inferno;
use super::picture::Picture;
use super::ticks::Scale;

const MARGIN: i64 = 16;
const TITLE_HEIGHT: i64 = 40;
const BAR_WIDTH: i64 = 20;
/// Room to the right of the bar for its numbers.
const LABEL_WIDTH: i64 = 72;
const TICK_LENGTH: i64 = 5;
/// Below these the title and the numbers of the bar would not fit.
const SMALLEST_WIDTH: usize = 320;
const SMALLEST_HEIGHT: usize = 160;
/// This share of the pixels, the worst, may lie below the bar; one odd pixel shall not take the contrast from the rest.
const BELOW_THE_BAR: f64 = 0.005;
/// A finer scale would show rounding, with numbers too long for the bar.
const HIGHEST_START: f64 = 0.9999;
/// Total width of the bar with its numbers and the gap before it.
const BAR_SPACE: i64 = MARGIN + BAR_WIDTH + LABEL_WIDTH;

/// SSIM at every pixel, averaged over the channels.
pub struct SsimMap {
    pub height: usize,
    pub width: usize,
    pub values: Vec<f32>,
}

impl SsimMap {
    pub fn compute(a: &Picture, b: &Picture, padding: Padding) -> Result<Self, Error> {
        let problem = Problem::new(a.shape()?, &Options { padding, reduction: Reduction::Map, ..Options::default() })?;
        let mut maps = vec![0.0; problem.values()];
        forward(&problem, &a.data, &b.data, &mut maps, None)?;
        let pixels = problem.map_pixels();
        let mean = |at| maps[at..].iter().step_by(pixels).sum::<f32>() / a.channels as f32;
        Ok(SsimMap { height: problem.map.height, width: problem.map.width, values: (0..pixels).map(mean).collect() })
    }

    /// What the colours span: from a round number near the worst values to 1.
    pub fn scale(&self) -> Scale {
        let mut sorted: Vec<f32> = self.values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f32::total_cmp);
        let low = sorted.get((sorted.len() as f64 * BELOW_THE_BAR) as usize).copied().unwrap_or(0.0);
        Scale::linear(f64::from(low).min(HIGHEST_START), 1.0)
    }

    /// One coloured pixel for each value.
    pub fn render(&self, scale: Scale) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let value = self.values[y as usize * self.width + x as usize];
            inferno(if value.is_nan() { value } else { scale.position(value.into()) })
        })
    }

    /// The whole figure: title, map and colour bar. Small maps are enlarged by a whole factor.
    pub fn figure(&self, title: &str) -> RgbImage {
        let scale = self.scale();
        let factor = SMALLEST_WIDTH.div_ceil(self.width).max(SMALLEST_HEIGHT.div_ceil(self.height)) as u32;
        let map = enlarge(&self.render(scale), factor);
        let (width, height) = (i64::from(map.width()), i64::from(map.height()));
        let mut canvas = Canvas::new(MARGIN + width + BAR_SPACE, TITLE_HEIGHT + height + MARGIN);
        canvas.text(MARGIN, TITLE_HEIGHT / 2, title, Font::Title, Anchor::Left);
        canvas.paste(&map, MARGIN, TITLE_HEIGHT);
        canvas.frame(MARGIN, TITLE_HEIGHT, width, height, PALE);
        draw_bar(&mut canvas, scale, MARGIN + width + MARGIN, TITLE_HEIGHT, height);
        canvas.into_image()
    }
}

/// Every pixel becomes a square of `factor` x `factor`.
pub fn enlarge(picture: &RgbImage, factor: u32) -> RgbImage {
    imageops::resize(picture, picture.width() * factor, picture.height() * factor, imageops::FilterType::Nearest)
}

/// Draws the bar and, to its right, its numbers.
pub fn draw_bar(canvas: &mut Canvas, scale: Scale, left: i64, top: i64, height: i64) {
    for row in 0..height {
        let share = 1.0 - row as f32 / (height - 1).max(1) as f32;
        canvas.fill(left, top + row, BAR_WIDTH, 1, inferno(share));
    }
    canvas.frame(left, top, BAR_WIDTH, height, PALE);
    for tick in scale.ticks(5) {
        let y = top + ((1.0 - scale.position(tick.value)) * (height - 1) as f32).round() as i64;
        canvas.fill(left + BAR_WIDTH, y, TICK_LENGTH, 1, INK);
        canvas.text(left + BAR_WIDTH + TICK_LENGTH + 4, y, &tick.label, Font::Body, Anchor::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: Vec<f32>, width: usize) -> SsimMap {
        SsimMap { height: values.len() / width, width, values }
    }

    fn labels(map: &SsimMap) -> Vec<String> {
        map.scale().ticks(5).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn the_scale_starts_at_a_round_number_below_nearly_all_values() {
        let mut values = vec![0.97; 998];
        values.extend([0.62, -0.4]);
        assert_eq!(labels(&map(values, 10)), ["0.97", "0.98", "0.99", "1.00"]);
        let mixed: Vec<f32> = (0..1000).map(|i| 0.34 + 0.66 * i as f32 / 1000.0).collect();
        assert_eq!(labels(&map(mixed, 10)), ["0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&map(vec![1.0; 4], 2)).first().map(String::as_str), Some("0.99990"));
        assert_eq!(labels(&map(vec![f32::NAN; 4], 2)).len(), 6);
    }

    #[test]
    fn every_value_has_its_own_pixel() {
        let small = map(vec![0.0, 0.5, 1.0, f32::NAN, 0.25, 0.75], 3);
        let image = small.render(Scale::Linear { low: 0.0, high: 1.0 });
        assert_eq!(image.dimensions(), (3, 2));
        assert_eq!(image.get_pixel(2, 0), &inferno(1.0));
        assert_eq!(image.get_pixel(0, 1), &inferno(f32::NAN));
        assert_eq!(image.get_pixel(1, 1), &inferno(0.25));
    }

    #[test]
    fn a_tiny_map_still_gets_a_figure_with_room_for_its_title() {
        let figure = map(vec![0.0], 1).figure("SSIM map");
        assert_eq!(figure.width() as i64, MARGIN + SMALLEST_WIDTH as i64 + BAR_SPACE);
        assert_eq!(figure.get_pixel(MARGIN as u32 + 100, TITLE_HEIGHT as u32 + 100), &inferno(0.0));
    }

    #[test]
    fn the_map_of_equal_pictures_is_one_everywhere() {
        let data: Vec<f32> = (0..3 * 14 * 12).map(|i| (i % 7) as f32 / 7.0).collect();
        let picture = Picture { channels: 3, height: 14, width: 12, data };
        for (padding, size) in [(Padding::Same, (14, 12)), (Padding::Valid, (4, 2))] {
            let map = SsimMap::compute(&picture, &picture, padding).unwrap();
            assert_eq!((map.height, map.width), size);
            assert!(map.values.iter().all(|value| (value - 1.0).abs() < 1e-5), "{padding:?}");
        }
    }
}
