//! Pictures as the library takes them, and the files they come from.

use std::path::Path;

use fused_ssim::{Error, Shape};
use image::{DynamicImage, RgbImage, imageops::FilterType};

/// One plane per channel (3, or 1 for a grey picture), each height x width, values in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<f32>,
}

/// Reads a PNG, JPEG or PNM file.
pub fn load(path: &Path) -> Result<DynamicImage, String> {
    let explain = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|error| explain(&error))?;
    // By content, not by name: a file with the wrong ending is still a picture.
    image::guess_format(&bytes)
        .and_then(|format| image::load_from_memory_with_format(&bytes, format))
        .map_err(|error| explain(&format_args!("not a PNG, JPEG or PNM picture ({error})")))
}

/// Writes a picture; the ending of the name chooses the format.
pub fn save(picture: &RgbImage, path: &Path) -> Result<(), String> {
    picture.save(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The picture with its longer side reduced to `longest` pixels; a smaller one stays as it is.
pub fn shrink(image: DynamicImage, longest: u32) -> DynamicImage {
    if image.width().max(image.height()) <= longest {
        return image;
    }
    image.resize(longest, longest, FilterType::Lanczos3)
}

impl Picture {
    /// Takes the colours apart. An alpha channel is ignored.
    pub fn from_image(image: &DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixels = image.to_rgb32f().into_raw();
        // The three channels of a grey picture are equal; one is enough.
        let channels = if image.color().has_color() { 3 } else { 1 };
        let data = (0..channels).flat_map(|c| pixels[c..].iter().step_by(3).copied()).collect();
        Picture { channels, height, width, data }
    }

    /// Puts the colours together again; values outside [0, 1] are cut off.
    pub fn to_rgb8(&self) -> RgbImage {
        let plane = self.height * self.width;
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let at = y as usize * self.width + x as usize;
            image::Rgb(std::array::from_fn(|c| {
                let value = self.data[c.min(self.channels - 1) * plane + at];
                (value.clamp(0.0, 1.0) * 255.0).round() as u8
            }))
        })
    }

    /// Its shape as a batch of one.
    pub fn shape(&self) -> Result<Shape, Error> {
        Shape::new(1, self.channels as i64, self.height as i64, self.width as i64)
    }

    /// "451 x 300, RGB"
    pub fn describe(&self) -> String {
        let colours = if self.channels == 1 { "grey" } else { "RGB" };
        format!("{} x {}, {colours}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_back() {
        let rgb = RgbImage::from_fn(5, 3, |x, y| image::Rgb([10 * x as u8, 20 * y as u8, 200]));
        let picture = Picture::from_image(&DynamicImage::ImageRgb8(rgb.clone()));
        assert_eq!((picture.channels, picture.height, picture.width), (3, 3, 5));
        assert_eq!(picture.data[1], 10.0 / 255.0);
        assert_eq!(picture.data[15 + 5], 20.0 / 255.0);
        assert_eq!(picture.data[30], 200.0 / 255.0);
        assert_eq!(picture.to_rgb8(), rgb);
        assert_eq!(picture.describe(), "5 x 3, RGB");
    }

    #[test]
    fn a_grey_picture_has_one_plane() {
        let grey = image::GrayImage::from_fn(4, 2, |x, _| image::Luma([60 * x as u8]));
        let picture = Picture::from_image(&DynamicImage::ImageLuma8(grey));
        assert_eq!((picture.channels, picture.data.len()), (1, 8));
        assert_eq!(picture.to_rgb8().get_pixel(2, 1).0, [120, 120, 120]);
        assert_eq!(picture.describe(), "4 x 2, grey");
    }

    #[test]
    fn shrinking_keeps_the_proportions_and_never_enlarges() {
        let image = DynamicImage::new_rgb8(400, 200);
        assert_eq!((shrink(image.clone(), 100).width(), shrink(image.clone(), 100).height()), (100, 50));
        assert_eq!(shrink(image, 500).width(), 400);
    }

    #[test]
    fn unreadable_files_are_named() {
        let missing = load(Path::new("no/such/file.png")).unwrap_err();
        assert!(missing.starts_with("no/such/file.png: "), "{missing}");
        let text = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap_err();
        assert!(text.contains("not a PNG, JPEG or PNM picture"), "{text}");
    }
}
