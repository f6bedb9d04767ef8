//! Text, lines and boxes on a white picture.

use image::{Rgb, RgbImage, imageops};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Of text and axes.
pub const INK: Rgb<u8> = Rgb([45, 45, 45]);
/// Of grid lines and frames.
pub const PALE: Rgb<u8> = Rgb([218, 218, 218]);
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// The letters of a text.
#[derive(Debug, Clone, Copy)]
pub enum Font {
    /// 16 pixels high.
    Body,
    /// 20 pixels high and bold.
    Title,
}

/// Which point of a text its position names; its vertical centre in every case.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Left,
    Centre,
    Right,
}

impl Font {
    fn raster(self) -> (FontWeight, RasterHeight) {
        match self {
            Font::Body => (FontWeight::Regular, RasterHeight::Size16),
            Font::Title => (FontWeight::Bold, RasterHeight::Size20),
        }
    }

    /// Height of a line in pixels.
    pub fn height(self) -> i64 {
        self.raster().1.val() as i64
    }

    /// Width of a text in pixels.
    pub fn width(self, text: &str) -> i64 {
        let (weight, height) = self.raster();
        (text.chars().count() * get_raster_width(weight, height)) as i64
    }
}

/// A picture being drawn. What falls outside is cut off.
pub struct Canvas {
    pixels: RgbImage,
}

impl Canvas {
    pub fn new(width: i64, height: i64) -> Self {
        Canvas { pixels: RgbImage::from_pixel(width as u32, height as u32, PAPER) }
    }

    pub fn into_image(self) -> RgbImage {
        self.pixels
    }

    /// Mixes `colour` into one pixel: 0 leaves it, 1 replaces it.
    fn blend(&mut self, x: i64, y: i64, colour: Rgb<u8>, share: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y) else { return };
        for (old, new) in pixel.0.iter_mut().zip(colour.0) {
            *old = (f32::from(*old) * (1.0 - share) + f32::from(new) * share).round() as u8;
        }
    }

    /// Fills a box.
    pub fn fill(&mut self, left: i64, top: i64, width: i64, height: i64, colour: Rgb<u8>) {
        for y in top..top + height {
            for x in left..left + width {
                self.blend(x, y, colour, 1.0);
            }
        }
    }

    /// Draws the outline of a box, one pixel outside of it.
    pub fn frame(&mut self, left: i64, top: i64, width: i64, height: i64, colour: Rgb<u8>) {
        self.fill(left - 1, top - 1, width + 2, 1, colour);
        self.fill(left - 1, top + height, width + 2, 1, colour);
        self.fill(left - 1, top, 1, height, colour);
        self.fill(left + width, top, 1, height, colour);
    }

    /// Copies a picture with its upper left corner at (left, top).
    pub fn paste(&mut self, picture: &RgbImage, left: i64, top: i64) {
        imageops::replace(&mut self.pixels, picture, left, top);
    }

    /// Writes one line of text.
    pub fn text(&mut self, x: i64, y: i64, text: &str, font: Font, anchor: Anchor) {
        let (weight, height) = font.raster();
        let mut left = match anchor {
            Anchor::Left => x,
            Anchor::Centre => x - font.width(text) / 2,
            Anchor::Right => x - font.width(text),
        };
        for letter in text.chars() {
            // The font holds ASCII alone; a file name may hold anything.
            let raster = get_raster(letter, weight, height).or_else(|| get_raster('?', weight, height));
            for (row, line) in raster.iter().flat_map(|raster| raster.rows()).enumerate() {
                for (column, &ink) in line.iter().enumerate() {
                    let top = y - font.height() / 2;
                    self.blend(left + column as i64, top + row as i64, INK, f32::from(ink) / 255.0);
                }
            }
            left += get_raster_width(weight, height) as i64;
        }
    }

    /// Draws a smooth polyline of the given thickness.
    pub fn polyline(&mut self, points: &[(f32, f32)], thickness: f32, colour: Rgb<u8>) {
        let (width, height) = self.pixels.dimensions();
        // Segments overlap at their joints; the strongest cover counts there, not the sum.
        let mut cover = vec![0f32; (width * height) as usize];
        let reach = thickness / 2.0 + 1.0;
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let columns = clamp_span(x0.min(x1) - reach, x0.max(x1) + reach, width);
            for y in clamp_span(y0.min(y1) - reach, y0.max(y1) + reach, height) {
                for x in columns.clone() {
                    let distance = distance_to_segment((x as f32 + 0.5, y as f32 + 0.5), (x0, y0), (x1, y1));
                    let share = (thickness / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                    let cell = &mut cover[(y * width + x) as usize];
                    *cell = cell.max(share);
                }
            }
        }
        for (at, &share) in cover.iter().enumerate().filter(|&(_, &share)| share > 0.0) {
            self.blend((at as u32 % width).into(), (at as u32 / width).into(), colour, share);
        }
    }
}

/// The whole pixels between two coordinates, inside 0..limit.
fn clamp_span(from: f32, to: f32, limit: u32) -> std::ops::Range<u32> {
    from.floor().clamp(0.0, limit as f32) as u32..to.ceil().clamp(0.0, limit as f32) as u32
}

fn distance_to_segment((x, y): (f32, f32), (x0, y0): (f32, f32), (x1, y1): (f32, f32)) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length_squared = dx * dx + dy * dy;
    let along = if length_squared > 0.0 { ((x - x0) * dx + (y - y0) * dy) / length_squared } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (x - x0 - along * dx).hypot(y - y0 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inked(canvas: Canvas) -> Vec<(u32, u32)> {
        let image = canvas.into_image();
        image.enumerate_pixels().filter(|(_, _, pixel)| **pixel != PAPER).map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn text_stays_in_the_box_that_its_anchor_says() {
        let width = Font::Body.width("SSIM\u{e9}x");
        assert_eq!(width, 6 * Font::Body.width("x"));
        for (anchor, left) in [(Anchor::Left, 100), (Anchor::Centre, 100 - width / 2), (Anchor::Right, 100 - width)] {
            let mut canvas = Canvas::new(200, 40);
            canvas.text(100, 20, "SSIM\u{e9}x", Font::Body, anchor);
            let pixels = inked(canvas);
            assert!(pixels.len() > 100);
            for (x, y) in pixels {
                assert!((left..left + width).contains(&x.into()), "{anchor:?}: column {x}");
                assert!((12..28).contains(&y), "{anchor:?}: row {y}");
            }
        }
    }

    #[test]
    fn a_level_line_covers_exactly_its_rows() {
        let mut canvas = Canvas::new(20, 10);
        canvas.polyline(&[(4.0, 5.0), (9.0, 5.0), (16.0, 5.0)], 2.0, INK);
        let image = canvas.into_image();
        for (row, expected) in [(3, PAPER), (4, INK), (5, INK), (6, PAPER)] {
            assert_eq!(image.get_pixel(9, row), &expected, "row {row}");
        }
        assert_eq!(image.get_pixel(1, 4), &PAPER);
    }

    #[test]
    fn drawing_outside_is_cut_off() {
        let mut canvas = Canvas::new(8, 8);
        canvas.fill(-5, -5, 7, 7, INK);
        canvas.text(-40, 4, "outside", Font::Title, Anchor::Right);
        canvas.polyline(&[(-50.0, 70.0), (-9.0, 80.0)], 3.0, INK);
        canvas.paste(&RgbImage::new(4, 4), 7, 7);
        assert_eq!(inked(canvas).len(), 4 + 1);
    }

    #[test]
    fn a_frame_surrounds_its_box() {
        let mut canvas = Canvas::new(10, 10);
        canvas.frame(3, 3, 4, 2, INK);
        let pixels = inked(canvas);
        assert_eq!(pixels.len(), 6 * 4 - 4 * 2);
        assert!(pixels.iter().all(|&(x, y)| !((3..7).contains(&x) && (3..5).contains(&y))));
    }
}
