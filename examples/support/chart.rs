//! Curves over the iterations, one above the other.

use image::{Rgb, RgbImage};

use super::canvas::{Anchor, Canvas, Font, INK, PALE};
use super::ticks::{Scale, Tick};

const WIDTH: i64 = 880;
const LEFT: i64 = 84;
const RIGHT: i64 = 28;
const CURVE_HEIGHT: i64 = 240;
/// Room above each curve for its title.
const TITLE_HEIGHT: i64 = 44;
/// Room between two curves, and below the last one for the numbers and the label of the shared axis.
const GAP: i64 = 10;
const FOOT: i64 = 62;
const TICK_LENGTH: i64 = 6;

/// One curve with its own vertical axis.
pub struct Curve<'a> {
    pub title: String,
    pub values: &'a [f32],
    pub scale: Scale,
    pub colour: Rgb<u8>,
}

/// Draws the curves over one horizontal axis, labelled `axis`; each curve's first value stands at 0.
pub fn draw(curves: &[Curve<'_>], axis: &str) -> RgbImage {
    let rows = curves.len() as i64;
    let height = rows * (TITLE_HEIGHT + CURVE_HEIGHT) + (rows - 1) * GAP + FOOT;
    let mut canvas = Canvas::new(WIDTH, height);
    let longest = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0);
    let last = longest.saturating_sub(1).max(1);
    let across = Scale::Linear { low: 0.0, high: last as f64 };
    // Iterations are whole numbers, and so are their ticks.
    let across_ticks = across.ticks(last.min(10));
    for (row, curve) in (0..).zip(curves) {
        let top = row * (TITLE_HEIGHT + CURVE_HEIGHT + GAP) + TITLE_HEIGHT;
        draw_curve(&mut canvas, curve, (across, &across_ticks), top, row + 1 == rows);
    }
    canvas.text(LEFT + inner_width() / 2, height - 18, axis, Font::Body, Anchor::Centre);
    canvas.into_image()
}

fn inner_width() -> i64 {
    WIDTH - LEFT - RIGHT
}

fn draw_curve(
    canvas: &mut Canvas,
    curve: &Curve<'_>,
    (across, across_ticks): (Scale, &[Tick]),
    top: i64,
    numbered: bool,
) {
    let bottom = top + CURVE_HEIGHT;
    canvas.text(LEFT, top - 18, &curve.title, Font::Title, Anchor::Left);
    for tick in curve.scale.ticks(8) {
        let y = bottom - (curve.scale.position(tick.value) * CURVE_HEIGHT as f32).round() as i64;
        canvas.fill(LEFT, y, inner_width(), 1, PALE);
        canvas.fill(LEFT - TICK_LENGTH, y, TICK_LENGTH, 1, INK);
        canvas.text(LEFT - TICK_LENGTH - 6, y, &tick.label, Font::Body, Anchor::Right);
    }
    for tick in across_ticks {
        let x = LEFT + (across.position(tick.value) * inner_width() as f32).round() as i64;
        canvas.fill(x, top, 1, CURVE_HEIGHT, PALE);
        canvas.fill(x, bottom, 1, TICK_LENGTH, INK);
        if numbered {
            canvas.text(x, bottom + TICK_LENGTH + 12, &tick.label, Font::Body, Anchor::Centre);
        }
    }
    canvas.fill(LEFT, top, 1, CURVE_HEIGHT + 1, INK);
    canvas.fill(LEFT, bottom, inner_width() + 1, 1, INK);
    let point = |(iteration, &value): (usize, &f32)| {
        let x = LEFT as f32 + across.position(iteration as f64) * inner_width() as f32;
        let y = bottom as f32 - curve.scale.position(f64::from(value)) * CURVE_HEIGHT as f32;
        (x + 0.5, y + 0.5)
    };
    let points: Vec<_> = curve.values.iter().enumerate().map(point).collect();
    canvas.polyline(&points, 2.5, curve.colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

    #[test]
    fn a_rising_curve_goes_from_the_lower_left_to_the_upper_right() {
        let values: Vec<f32> = (0..=100).map(|i| i as f32 / 100.0).collect();
        let scale = Scale::Linear { low: 0.0, high: 1.0 };
        let curve = Curve { title: "SSIM".to_owned(), values: &values, scale, colour: BLUE };
        let image = draw(&[curve], "iteration");
        assert_eq!(image.dimensions(), (WIDTH as u32, (TITLE_HEIGHT + CURVE_HEIGHT + FOOT) as u32));
        let at = |share: f32| {
            let x = LEFT as f32 + share * inner_width() as f32;
            let y = (TITLE_HEIGHT + CURVE_HEIGHT) as f32 - share * CURVE_HEIGHT as f32;
            *image.get_pixel(x as u32, y as u32)
        };
        for share in [0.1, 0.5, 0.9] {
            assert_eq!(at(share), BLUE, "at {share}");
        }
    }

    #[test]
    fn one_value_alone_draws_axes() {
        let scale = Scale::linear(0.5, 1.0);
        let curve = Curve { title: "SSIM".to_owned(), values: &[0.7], scale, colour: BLUE };
        let image = draw(&[curve], "iteration");
        assert_eq!(image.get_pixel(LEFT as u32, TITLE_HEIGHT as u32 + 9), &INK);
    }
}
