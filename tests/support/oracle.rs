//! SSIM and its gradient in f64, straight from the definition. It shares no code and no parameters with the library, and
//! depends on std alone.
//!
//! Images are dense f64 slices in NCHW order. The formulas are the textbook ones (mu, p = G*(x^2+y^2), q = G*(xy)); in f64
//! their cancellation stays far below the f32 tolerances that are tested.

mod masked;

/// Taps of the default window.
pub const TAPS: usize = 11;

/// What surrounds the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros: the map has the size of the image.
    Same,
    /// Nothing: the map loses half a window on each side.
    Valid,
}

/// Over what the map is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Mean,
    PerImage,
    PerChannel,
    Map,
}

/// What is returned, and differentiated, as scale * SSIM + offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output {
    pub scale: f64,
    pub offset: f64,
}

impl Output {
    pub const SSIM: Output = Output { scale: 1.0, offset: 0.0 };
    pub const ONE_MINUS_SSIM: Output = Output { scale: -1.0, offset: 1.0 };
    pub const DSSIM: Output = Output { scale: -0.5, offset: 0.5 };
}

/// A window of as many taps as `size`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// With the standard deviation `Oracle::sigma`.
    Gaussian(usize),
    Uniform(usize),
}

impl Window {
    pub fn size(self) -> usize {
        match self {
            Window::Gaussian(size) | Window::Uniform(size) => size,
        }
    }
}

/// A computation: shape and parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oracle {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub padding: Padding,
    pub reduction: Reduction,
    pub output: Output,
    pub window: Window,
    pub sigma: f64,
    pub data_range: f64,
    pub k1: f64,
    pub k2: f64,
}

/// Value and gradients for one pair of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One element per group, or the dense map for [`Reduction::Map`].
    pub ssim: Vec<f64>,
    /// Gradient of `sum(upstream * ssim)` with respect to img1, NCHW.
    pub grad_img1: Vec<f64>,
    /// The same with respect to img2.
    pub grad_img2: Vec<f64>,
}

/// How single pixels are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelLoss {
    L1,
    L2,
}

/// A loss with its parts, one element per group, and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct LossAnswer {
    pub loss: Vec<f64>,
    pub pixel: Vec<f64>,
    pub dissimilarity: Vec<f64>,
    pub grad_img1: Vec<f64>,
    pub grad_img2: Vec<f64>,
}

/// What a mask does. Masks are dense NCHW, as the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskMode {
    WeightedMean,
    MultiplyInputs,
    Normalized,
}

impl Oracle {
    /// The library's documented defaults for a shape.
    pub fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Oracle {
            n,
            c,
            h,
            w,
            padding: Padding::Same,
            reduction: Reduction::Mean,
            output: Output::SSIM,
            window: Window::Gaussian(TAPS),
            sigma: 1.5,
            data_range: 1.0,
            k1: 0.01,
            k2: 0.03,
        }
    }

    /// First row, first column, height and width of the map inside the image.
    pub fn region(&self) -> (usize, usize, usize, usize) {
        match self.padding {
            Padding::Same => (0, 0, self.h, self.w),
            Padding::Valid => {
                let (size, radius) = (self.window.size(), self.window.size() / 2);
                assert!(self.h >= size && self.w >= size, "valid padding needs an image as large as the window");
                (radius, radius, self.h - 2 * radius, self.w - 2 * radius)
            }
        }
    }

    /// Map pixels of one plane.
    pub fn map_pixels(&self) -> usize {
        let (_, _, height, width) = self.region();
        height * width
    }

    /// Elements of the result and of its upstream gradient.
    pub fn values(&self) -> usize {
        match self.reduction {
            Reduction::Mean => 1,
            Reduction::PerImage => self.n,
            Reduction::PerChannel => self.n * self.c,
            Reduction::Map => self.n * self.c * self.map_pixels(),
        }
    }

    fn group_planes(&self) -> usize {
        match self.reduction {
            Reduction::Mean => self.n * self.c,
            Reduction::PerImage => self.c,
            Reduction::PerChannel | Reduction::Map => 1,
        }
    }

    /// Normalised taps, never rounded to f32.
    pub fn taps(&self) -> Vec<f64> {
        let size = self.window.size();
        let weight = |i: usize| match self.window {
            Window::Gaussian(_) => {
                let distance = i as f64 - (size / 2) as f64;
                (-(distance * distance) / (2.0 * self.sigma * self.sigma)).exp()
            }
            Window::Uniform(_) => 1.0,
        };
        let raw: Vec<f64> = (0..size).map(weight).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|tap| tap / sum).collect()
    }

    /// The map of every plane, dense.
    pub fn map(&self, img1: &[f64], img2: &[f64]) -> Vec<f64> {
        let plane = self.h * self.w;
        assert_eq!((img1.len(), img2.len()), (self.n * self.c * plane, self.n * self.c * plane));
        let mut map = Vec::with_capacity(self.n * self.c * self.map_pixels());
        let mut filters = Filters::new(self);
        for (x, y) in img1.chunks_exact(plane).zip(img2.chunks_exact(plane)) {
            let moments = Moments::new(&mut filters, x, y);
            for pixel in self.map_indices() {
                map.push(self.of(self.terms(&moments, pixel).ssim()));
            }
        }
        map
    }

    /// The reduced value.
    pub fn value(&self, img1: &[f64], img2: &[f64]) -> Vec<f64> {
        self.reduce(&self.map(img1, img2))
    }

    fn of(&self, ssim: f64) -> f64 {
        self.output.scale * ssim + self.output.offset
    }

    fn reduce(&self, map: &[f64]) -> Vec<f64> {
        if self.reduction == Reduction::Map {
            return map.to_vec();
        }
        let group = self.group_planes() * self.map_pixels();
        map.chunks_exact(group).map(|pixels| pixels.iter().sum::<f64>() / group as f64).collect()
    }

    /// Value and both gradients. `upstream`: one factor per element of the value; None: ones.
    pub fn answer(&self, img1: &[f64], img2: &[f64], upstream: Option<&[f64]>) -> Answer {
        let (plane, map_pixels) = (self.h * self.w, self.map_pixels());
        let planes = self.n * self.c;
        assert_eq!((img1.len(), img2.len()), (planes * plane, planes * plane));
        if let Some(upstream) = upstream {
            assert_eq!(upstream.len(), self.values());
        }
        let mut map = Vec::with_capacity(planes * map_pixels);
        let mut grads = [Vec::with_capacity(planes * plane), Vec::with_capacity(planes * plane)];
        let mut filters = Filters::new(self);
        for index in 0..planes {
            let (x, y) = (&img1[index * plane..][..plane], &img2[index * plane..][..plane]);
            let moments = Moments::new(&mut filters, x, y);
            let mut partials = [const { Vec::new() }; 4].map(|_: Vec<f64>| vec![0.0; plane]);
            for (at, pixel) in self.map_indices().enumerate() {
                let g = match (upstream, self.reduction) {
                    (None, Reduction::Map) => 1.0,
                    (Some(upstream), Reduction::Map) => upstream[index * map_pixels + at],
                    (upstream, _) => {
                        let group = index / self.group_planes();
                        upstream.map_or(1.0, |upstream| upstream[group]) / (self.group_planes() * map_pixels) as f64
                    }
                };
                let terms = self.terms(&moments, pixel);
                map.push(self.of(terms.ssim()));
                let g = g * self.output.scale;
                let (mu1, mu2) = (moments.mu1[pixel], moments.mu2[pixel]);
                for (partial, value) in partials.iter_mut().zip([
                    g * terms.d_mean(mu1, mu2),
                    g * terms.d_mean(mu2, mu1),
                    g * terms.d_p(),
                    g * terms.d_q(),
                ]) {
                    partial[pixel] = value;
                }
            }
            let [mean1, mean2, dp, dq] = partials.map(|partial| filters.apply(&partial));
            for i in 0..plane {
                grads[0].push(mean1[i] + 2.0 * x[i] * dp[i] + y[i] * dq[i]);
                grads[1].push(mean2[i] + 2.0 * y[i] * dp[i] + x[i] * dq[i]);
            }
        }
        let [grad_img1, grad_img2] = grads;
        Answer { ssim: self.reduce(&map), grad_img1, grad_img2 }
    }

    /// Indices into a plane of the map's pixels, in order.
    fn map_indices(&self) -> impl Iterator<Item = usize> + use<> {
        let (top, left, height, width) = self.region();
        let row = self.w;
        (top..top + height).flat_map(move |r| (left..left + width).map(move |column| r * row + column))
    }

    fn terms(&self, moments: &Moments, pixel: usize) -> Terms {
        let (mu1, mu2) = (moments.mu1[pixel], moments.mu2[pixel]);
        let (p, q) = (moments.p[pixel], moments.q[pixel]);
        let (c1, c2) = ((self.k1 * self.data_range).powi(2), (self.k2 * self.data_range).powi(2));
        let squares = mu1 * mu1 + mu2 * mu2;
        Terms { a: squares + c1, b: p - squares + c2, c: 2.0 * mu1 * mu2 + c1, d: 2.0 * (q - mu1 * mu2) + c2 }
    }
}

/// S = (c d) / (a b).
struct Terms {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
}

impl Terms {
    fn ssim(&self) -> f64 {
        (self.c * self.d) / (self.a * self.b)
    }

    /// dS/dmu of the image whose mean is `own`, with p and q held fixed.
    fn d_mean(&self, own: f64, other: f64) -> f64 {
        2.0 * (other * (self.d - self.c) - own * self.ssim() * (self.b - self.a)) / (self.a * self.b)
    }

    fn d_p(&self) -> f64 {
        -self.ssim() / self.b
    }

    fn d_q(&self) -> f64 {
        2.0 * self.c / (self.a * self.b)
    }
}

struct Moments {
    mu1: Vec<f64>,
    mu2: Vec<f64>,
    p: Vec<f64>,
    q: Vec<f64>,
}

impl Moments {
    fn new(filters: &mut Filters, x: &[f64], y: &[f64]) -> Self {
        let mut of = |formula: fn(f64, f64) -> f64| {
            let plane: Vec<f64> = x.iter().zip(y).map(|(&x, &y)| formula(x, y)).collect();
            filters.apply(&plane)
        };
        Moments { mu1: of(|x, _| x), mu2: of(|_, y| y), p: of(|x, y| x * x + y * y), q: of(|x, y| x * y) }
    }
}

/// The separable filter of one plane. Taps outside the plane are left out, never multiplied by zero, so that NaN and
/// infinity reach exactly the pixels whose window holds them.
struct Filters {
    taps: Vec<f64>,
    h: usize,
    w: usize,
    rows: Vec<f64>,
}

impl Filters {
    fn new(oracle: &Oracle) -> Self {
        Filters { taps: oracle.taps(), h: oracle.h, w: oracle.w, rows: vec![0.0; oracle.h * oracle.w] }
    }

    fn apply(&mut self, plane: &[f64]) -> Vec<f64> {
        let (h, w, radius) = (self.h, self.w, self.taps.len() / 2);
        self.rows.fill(0.0);
        for (row, out) in plane.chunks_exact(w).zip(self.rows.chunks_exact_mut(w)) {
            for (k, &tap) in self.taps.iter().enumerate() {
                let (first, last) = inside(k, radius, w);
                if first < last {
                    let from = &row[first + k - radius..last + k - radius];
                    accumulate(&mut out[first..last], tap, from);
                }
            }
        }
        let mut out = vec![0.0; h * w];
        for (k, &tap) in self.taps.iter().enumerate() {
            let (first, last) = inside(k, radius, h);
            for row in first..last {
                let from = &self.rows[(row + k - radius) * w..][..w];
                accumulate(&mut out[row * w..][..w], tap, from);
            }
        }
        out
    }
}

/// The positions p of 0..size for which p + k - radius is inside as well.
fn inside(k: usize, radius: usize, size: usize) -> (usize, usize) {
    (radius.saturating_sub(k), (size + radius).saturating_sub(k).min(size))
}

fn accumulate(out: &mut [f64], tap: f64, from: &[f64]) {
    for (sum, &value) in out.iter_mut().zip(from) {
        *sum += tap * value;
    }
}
