//! Pictures side by side, each under its name and above its SSIM map.

use image::{RgbImage, imageops};

use super::canvas::{Anchor, Canvas, Font, PALE};
use super::heat_map::{draw_bar, enlarge};
use super::ticks::Scale;

const MARGIN: i64 = 16;
const TITLE_HEIGHT: i64 = 56;
const LEGEND_HEIGHT: i64 = 28;
/// A column is at least this wide, so that its title fits, and at most that wide, so that the sheet fits on a page.
const NARROWEST: u32 = 200;
const WIDEST: u32 = 280;

/// One column of the sheet.
pub struct Column {
    pub title: String,
    pub note: String,
    pub picture: RgbImage,
    /// The picture's SSIM map in colours; the original has none.
    pub map: Option<RgbImage>,
}

/// Draws the columns, whose pictures all have one size. The colour bar stands where the last column has no map.
pub fn draw(columns: Vec<Column>, scale: Scale) -> RgbImage {
    let fitted: Vec<_> = columns.iter().map(|column| (fit(&column.picture), column.map.as_ref().map(fit))).collect();
    let (width, height) = (i64::from(fitted[0].0.width()), i64::from(fitted[0].0.height()));
    let map_top = TITLE_HEIGHT + height + MARGIN;
    let mut canvas = Canvas::new(MARGIN + columns.len() as i64 * (width + MARGIN), map_top + height + MARGIN);
    for (index, (column, (picture, map))) in (0..).zip(columns.iter().zip(&fitted)) {
        let left = MARGIN + index * (width + MARGIN);
        canvas.text(left, TITLE_HEIGHT - 36, &column.title, Font::Title, Anchor::Left);
        canvas.text(left, TITLE_HEIGHT - 14, &column.note, Font::Body, Anchor::Left);
        canvas.paste(picture, left, TITLE_HEIGHT);
        canvas.frame(left, TITLE_HEIGHT, width, height, PALE);
        match map {
            Some(map) => {
                canvas.paste(map, left, map_top);
                canvas.frame(left, map_top, width, height, PALE);
            }
            None => {
                canvas.text(left, map_top + 8, "SSIM at every pixel", Font::Body, Anchor::Left);
                draw_bar(&mut canvas, scale, left, map_top + LEGEND_HEIGHT, height - LEGEND_HEIGHT);
            }
        }
    }
    canvas.into_image()
}

/// Enlarges a small picture by a whole factor and reduces a wide one.
fn fit(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    if width > WIDEST {
        let reduced = (f64::from(height) * f64::from(WIDEST) / f64::from(width)).round().max(1.0) as u32;
        return imageops::resize(picture, WIDEST, reduced, imageops::FilterType::Lanczos3);
    }
    enlarge(picture, NARROWEST.div_ceil(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_keep_their_proportions() {
        assert_eq!(fit(&RgbImage::new(840, 630)).dimensions(), (280, 210));
        assert_eq!(fit(&RgbImage::new(60, 20)).dimensions(), (240, 80));
        assert_eq!(fit(&RgbImage::new(250, 300)).dimensions(), (250, 300));
    }

    #[test]
    fn maps_lie_below_their_pictures() {
        let grey = |brightness| RgbImage::from_pixel(240, 100, image::Rgb([brightness; 3]));
        let column = |brightness, map: bool| Column {
            title: "start".to_owned(),
            note: "SSIM 0.01".to_owned(),
            picture: grey(brightness),
            map: map.then(|| grey(brightness + 1)),
        };
        let sheet = draw(vec![column(10, true), column(20, false)], Scale::Linear { low: 0.0, high: 1.0 });
        let (x, y) = (MARGIN as u32, TITLE_HEIGHT as u32);
        for (left, top, brightness) in [(x, y, 10), (x + 256, y, 20), (x, y + 116, 11)] {
            assert_eq!(sheet.get_pixel(left, top).0, [brightness; 3]);
            assert_eq!(sheet.get_pixel(left + 239, top + 99).0, [brightness; 3]);
        }
        assert_eq!(sheet.dimensions(), (2 * 256 + x, y + 2 * 116));
    }
}
