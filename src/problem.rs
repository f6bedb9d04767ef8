//! A checked description of one call: shape, layouts, window, constants. Both backends work from this alone.

use crate::layout::{Dtype, Strides};
use crate::mask::{MaskOptions, MaskSpec};
use crate::options::{Options, Output, Padding, Reduction, SavedFor};
use crate::shard::{Shard, check_shard, map_region, owned_rows};
use crate::status::{Error, Result};
use crate::window::{MIN_SIGMA, MIN_STRIP_SIGMA, WINDOW_TAPS, Window, WindowShape};

/// The largest height, width and number of planes: row and plane numbers are 32 bits wide in the kernels, with room for a
/// halo. The number of elements has no such limit.
pub(crate) const MAX_SIZE: i64 = i32::MAX as i64 - 4096;

/// (N, C, H, W), all positive, with every product that is ever formed from them fitting in an `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Images in the batch.
    pub n: usize,
    /// Channels of each image.
    pub c: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

impl Shape {
    /// Checks the four sizes. Each must be positive, N*C, H and W at most 2^31 - 4097, and N*C*H*W elements addressable.
    pub fn new(n: i64, c: i64, h: i64, w: i64) -> Result<Self> {
        for (name, size) in [("n", n), ("c", c), ("h", h), ("w", w)] {
            if size <= 0 {
                return Err(Error::Shape(format!("{name} is {size}; every size must be at least 1")));
            }
        }
        // 8 planes of 8 bytes bound everything the library derives from the shape (saved partials, f64 elements).
        [c, h, w, 64]
            .iter()
            .try_fold(n, |product, &size| product.checked_mul(size))
            .ok_or_else(|| Error::Shape(format!("n*c*h*w = {n}*{c}*{h}*{w} elements cannot be addressed")))?;
        for (name, size) in [("n*c", n * c), ("h", h), ("w", w)] {
            if size > MAX_SIZE {
                return Err(Error::Shape(format!("{name} is {size}; it must be at most {MAX_SIZE}")));
            }
        }
        Ok(Shape { n: n as usize, c: c as usize, h: h as usize, w: w as usize })
    }

    /// N*C, the number of planes.
    pub fn planes(&self) -> usize {
        self.n * self.c
    }

    /// N*C*H*W.
    pub fn elements(&self) -> usize {
        self.planes() * self.h * self.w
    }
}

/// The rectangle of the image for which the map has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Region {
    /// One past the last row.
    pub fn bottom(&self) -> usize {
        self.top + self.height
    }

    /// One past the last column.
    pub fn right(&self) -> usize {
        self.left + self.width
    }
}

/// The constants of SSIM, unrounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constants {
    /// Standard deviation of the Gaussian window, in pixels.
    pub sigma: f64,
    /// L, the distance between the smallest and the largest possible pixel value.
    pub data_range: f64,
    /// k1 in C1 = (k1 L)^2.
    pub k1: f64,
    /// k2 in C2 = (k2 L)^2.
    pub k2: f64,
}

/// A computation whose every size, stride and option has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Sizes of the images.
    pub shape: Shape,
    /// The filter taps.
    pub window: Window,
    /// Where the map has values, of the owned rows alone.
    pub map: Region,
    /// The first of the owned rows, which have a gradient, and their number: all rows of an image that is not sharded.
    pub owned_rows: (usize, usize),
    /// Over what the map is averaged.
    pub reduction: Reduction,
    /// What of SSIM is returned.
    pub output: Output,
    /// k1^2, the constant C1 for a range of 1.
    pub c1: f32,
    /// k2^2, the constant C2 for a range of 1.
    pub c2: f32,
    /// The options' numbers, for computations in f64.
    pub constants: Constants,
    /// What the elements of img1 and img2 are.
    pub dtypes: [Dtype; 2],
    /// What the elements of img1 and img2 are multiplied by on load.
    pub scales: [f64; 2],
    /// What the elements of the gradients of img1 and img2 are.
    pub grad_dtypes: [Dtype; 2],
    /// Strides of img1.
    pub img1: Strides,
    /// Strides of img2.
    pub img2: Strides,
    /// Strides of the gradient of img1.
    pub grad_img1: Strides,
    /// Strides of the gradient of img2.
    pub grad_img2: Strides,
    /// Which gradients `saved` serves.
    pub saved_for: SavedFor,
    /// Weights of the pixels.
    pub mask: Option<MaskSpec>,
    /// Which part of a larger image this is; None: the whole.
    pub shard: Option<Shard>,
    /// What surrounds the image.
    pub padding: Padding,
}

/// What the options say about a shape, apart from layouts: the part of a [`Problem`] that is checked first.
pub(crate) struct Outline {
    shape: Shape,
    window: Window,
    map: Region,
    owned_rows: (usize, usize),
    c1: f32,
    c2: f32,
}

impl Outline {
    /// Checks sizes and numbers, but no layout.
    pub(crate) fn new(shape: Shape, options: &Options) -> Result<Self> {
        for (name, value) in
            [("sigma", options.sigma), ("data_range", options.data_range), ("k1", options.k1), ("k2", options.k2)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Option(format!("{name} is {value}; it must be finite and greater than 0")));
            }
        }
        let (c1, c2) = ((options.k1 * options.k1) as f32, (options.k2 * options.k2) as f32);
        for (name, value, square) in [("k1", options.k1, c1), ("k2", options.k2, c2)] {
            if !(square.is_normal()) {
                return Err(Error::Option(format!("{name} is {value}; its square must be a normal f32")));
            }
        }
        if !((1.0 / options.data_range) as f32).is_normal() {
            return Err(Error::Option(format!(
                "data_range is {}; its reciprocal must be a normal f32",
                options.data_range
            )));
        }
        let window = Window::new(options.window, options.window_size, options.sigma)?;
        let map = map_region(shape, options.padding, window.size(), options.shard)?;
        let owned_rows = owned_rows(shape, options.shard)?;
        check_shard(shape, options, &window)?;
        Ok(Outline { shape, window, map, owned_rows, c1, c2 })
    }

    /// Checks the layouts of the options that the outline was made from.
    pub(crate) fn lay_out(self, options: &Options) -> Result<Problem> {
        let Outline { shape, window, map, owned_rows, c1, c2 } = self;
        let dtypes = [options.img1.dtype, options.img2.dtype];
        let scales = [&options.img1, &options.img2].map(|layout| layout.resolved_scale(options.data_range));
        for (name, scale) in [("img1", scales[0]), ("img2", scales[1])] {
            if !scale.is_finite() {
                return Err(Error::Layout(format!("{name}: scale is {scale}; expected a finite number")));
            }
            if !((scale / options.data_range) as f32).is_normal() {
                return Err(Error::Layout(format!(
                    "{name}: scale is {scale}; divided by data_range it must be a normal f32"
                )));
            }
        }
        check_dtypes(dtypes, [options.grad_img1.dtype, options.grad_img2.dtype])?;
        let owned = Shape { h: owned_rows.1, ..shape };
        Ok(Problem {
            shape,
            window,
            map,
            owned_rows,
            reduction: options.reduction,
            output: options.output,
            c1,
            c2,
            constants: Constants {
                sigma: options.sigma,
                data_range: options.data_range,
                k1: options.k1,
                k2: options.k2,
            },
            dtypes,
            scales,
            grad_dtypes: [options.grad_img1.dtype, options.grad_img2.dtype],
            img1: options.img1.resolve("img1", shape)?,
            img2: options.img2.resolve("img2", shape)?,
            grad_img1: options.grad_img1.resolve_output("grad_img1", owned)?,
            grad_img2: options.grad_img2.resolve_output("grad_img2", owned)?,
            saved_for: options.saved_for,
            mask: match options.mask {
                Some(MaskOptions { mode, element, layout }) => {
                    Some(MaskSpec { mode, element, strides: layout.resolve("mask_layout", shape)? })
                }
                None => None,
            },
            shard: options.shard,
            padding: options.padding,
        })
    }
}

impl Problem {
    /// Checks `options` against `shape`.
    pub fn new(shape: Shape, options: &Options) -> Result<Self> {
        let problem = Outline::new(shape, options)?.lay_out(options)?;
        problem.check_supported()?;
        Ok(problem)
    }

    /// Well-formed requests that later versions may answer.
    pub(crate) fn check_supported(&self) -> Result<()> {
        let groups = matches!(self.reduction, Reduction::PerImage | Reduction::PerChannel);
        if groups && self.shard.is_some() && self.mask.is_some_and(|mask| mask.mode.weights_mean()) {
            return Err(Error::Unsupported(
                "row sharding of a weighted mean for each image or channel is not supported by this version".to_owned(),
            ));
        }
        Ok(())
    }

    /// What is computed in, and what `ssim`, its upstream gradient and `saved` hold: F64 for images of f64, otherwise F32.
    pub fn precision(&self) -> Dtype {
        if self.dtypes[0] == Dtype::F64 { Dtype::F64 } else { Dtype::F32 }
    }

    /// The gradients that a call asks for are of f64 where the images are, and only there.
    pub(crate) fn check_grad_dtypes(&self, wanted: [bool; 2]) -> Result<()> {
        for (i, name) in ["grad_img1", "grad_img2"].into_iter().enumerate() {
            let dtype = self.grad_dtypes[i];
            if wanted[i] && (dtype == Dtype::F64) != (self.precision() == Dtype::F64) {
                return Err(Error::Layout(format!(
                    "{name}: dtype is {} and that of img{} is {}; F64 goes with F64 alone",
                    dtype.name(),
                    i + 1,
                    self.dtypes[i].name()
                )));
            }
        }
        Ok(())
    }

    /// Whether gradients can have an upstream gradient.
    pub(crate) fn check_upstream(&self) -> Result<()> {
        if self.reduction == Reduction::Map && self.shard.is_some() {
            return Err(Error::Unsupported(
                "an upstream gradient for the map of a shard is not supported by this version: it would need rows that \
                 other shards own"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Map pixels of one plane.
    pub fn map_pixels(&self) -> usize {
        self.map.height * self.map.width
    }

    /// How many planes are averaged into one value; for a map, 1.
    pub fn planes_per_group(&self) -> usize {
        match self.reduction {
            Reduction::Mean => self.shape.planes(),
            Reduction::PerImage => self.shape.c,
            Reduction::PerChannel | Reduction::Map => 1,
        }
    }

    /// Number of elements in `ssim` and in its upstream gradient.
    pub fn values(&self) -> usize {
        match self.reduction {
            Reduction::Map => self.shape.planes() * self.map_pixels(),
            _ => self.shape.planes() / self.planes_per_group(),
        }
    }

    /// What the derivative of a map pixel is multiplied by: 1 over the pixels averaged, 1 for a map. A mask that weights
    /// the mean divides by its sum instead.
    pub fn mean_factor(&self) -> f64 {
        match (self.reduction, self.shard) {
            (Reduction::Map, _) => 1.0,
            (_, Some(Shard { divisor: Some(divisor), .. })) => 1.0 / divisor,
            (_, shard) => {
                let border = if self.padding == Padding::Valid { self.window.size() - 1 } else { 0 };
                let rows = shard.map_or(self.map.height, |shard| shard.height - border);
                1.0 / (self.planes_per_group() as f64 * (rows * self.map.width) as f64)
            }
        }
    }

    /// What the sum of a group's pixel losses is multiplied by: 1 over the pixels averaged.
    pub fn pixel_factor(&self) -> f64 {
        match self.shard {
            Some(Shard { divisor: Some(divisor), .. }) => 1.0 / divisor,
            shard => {
                let rows = shard.map_or(self.shape.h, |shard| shard.height);
                1.0 / (self.planes_per_group() as f64 * (rows * self.shape.w) as f64)
            }
        }
    }

    /// Where the map of the rows in memory has values, owned or not: gradients of owned rows depend on some of them.
    pub fn present(&self) -> Region {
        map_region(self.shape, self.padding, self.window.size(), None).unwrap_or(self.map)
    }

    /// Whether both backends are tuned for the window: one of the default size that is not too narrow for f32.
    pub fn has_tuned_window(&self) -> bool {
        self.window.size() == WINDOW_TAPS && !self.window.is_narrower(MIN_SIGMA)
    }

    /// Whether this is what both backends are tuned for: neither masked nor sharded.
    pub fn is_plain(&self) -> bool {
        self.has_tuned_window() && self.mask.is_none() && self.shard.is_none()
    }

    /// Whether forward can keep what backward needs: what both backends are tuned for, with a Gaussian window that
    /// marches on both.
    pub fn keeps_partials(&self) -> bool {
        self.is_plain() && self.window.shape() == WindowShape::Gaussian && !self.window.is_narrower(MIN_STRIP_SIGMA)
    }

    /// Floats from one row of a saved plane to the next: rows start at multiples of 16 bytes.
    pub fn saved_pitch(&self) -> usize {
        self.shape.w.next_multiple_of(4)
    }

    /// Planes kept per image plane: two shared ones and one for each gradient served.
    pub fn saved_planes(&self) -> usize {
        2 + usize::from(self.saved_for.img1) + usize::from(self.saved_for.img2)
    }

    /// Number of elements in `saved`: none where backward computes everything again.
    pub fn saved_elements(&self) -> usize {
        if !self.keeps_partials() {
            return 0;
        }
        self.saved_planes() * self.shape.planes() * self.shape.h * self.saved_pitch()
    }
}

fn check_dtypes(images: [Dtype; 2], gradients: [Dtype; 2]) -> Result<()> {
    if (images[0] == Dtype::F64) != (images[1] == Dtype::F64) {
        return Err(Error::Layout(format!(
            "img1: dtype is {} and img2: dtype is {}; F64 goes with F64 alone",
            images[0].name(),
            images[1].name()
        )));
    }
    for (name, dtype) in [("grad_img1", gradients[0]), ("grad_img2", gradients[1])] {
        if dtype == Dtype::U8 {
            return Err(Error::Layout(format!("{name}: dtype is U8; a gradient has fractions and a sign")));
        }
    }
    Ok(())
}
