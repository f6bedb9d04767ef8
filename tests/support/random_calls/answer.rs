//! What a call must have written: the oracle's numbers in the outputs, and nothing elsewhere.

use super::arguments::{Arguments, offsets};
use super::model::{map_size, values};
use super::{Function, World, elements};
use crate::capi::{self, fssim_layout, fssim_options};
use crate::support::oracle::{MaskMode, Oracle, Output, Padding, Reduction, Window};

/// What the header promises, for f32 and for f64.
const VALUE_TOLERANCE: [f64; 2] = [1e-6, 1e-11];
const MAP_TOLERANCE: [f64; 2] = [5e-6, 1e-11];
const GRADIENT_TOLERANCE: [f64; 2] = [2e-6, 1e-9];
/// Of images smaller than the window, and for the narrowest windows.
const NARROW_GRADIENT_TOLERANCE: f64 = 1e-5;
/// A gradient of this share of what its terms may be is no gradient.
const NO_GRADIENT: [f64; 2] = [1e-7, 1e-12];

/// The numbers of a call, in the order of its outputs, and what they may be off by.
struct Answer {
    values: Vec<f64>,
    tolerances: Vec<f64>,
    grads: [Vec<f64>; 2],
    /// About how large an element of a gradient is.
    gradient_unit: f64,
}

struct Problem<'a> {
    arguments: &'a Arguments,
    options: fssim_options,
    size: [usize; 4],
    memory: &'a [u8],
    base: usize,
}

impl Problem<'_> {
    fn read(&self, address: usize, layout: &fssim_layout, size: [usize; 4]) -> Vec<f64> {
        let bytes = elements::size(layout.dtype);
        let at = |offset: usize| address - self.base + offset * bytes;
        let element = |offset: usize| elements::decode(layout.dtype, &self.memory[at(offset)..at(offset) + bytes]);
        offsets(layout, size).into_iter().map(element).collect()
    }

    fn scale(&self, layout: &fssim_layout) -> f64 {
        match layout.scale {
            0.0 if layout.dtype == capi::DTYPE_U8 => self.options.data_range / 255.0,
            0.0 => 1.0,
            scale => scale,
        }
    }

    fn pixels(&self, address: usize, layout: &fssim_layout) -> Vec<f64> {
        let scale = self.scale(layout);
        self.read(address, layout, self.size).into_iter().map(|element| element * scale).collect()
    }

    fn mask(&self) -> Option<Vec<f64>> {
        let layout = &self.options.mask_layout;
        let weight = |element: f64| if layout.dtype == capi::DTYPE_U8 { f64::from(element != 0.0) } else { element };
        let elements = || self.read(self.options.mask.addr(), layout, self.size);
        (self.options.mask_mode != 0).then(|| elements().into_iter().map(weight).collect())
    }

    fn precise(&self) -> usize {
        usize::from(self.options.img1.dtype == capi::DTYPE_F64)
    }

    /// The type of values.
    fn number(&self) -> fssim_layout {
        let dtype = if self.precise() == 1 { capi::DTYPE_F64 } else { 0 };
        fssim_layout { dtype, reserved: 0, scale: 0.0, strides: [0; 4] }
    }

    /// The map of the rows in memory, each pixel a value.
    fn oracle(&self) -> Oracle {
        let [n, c, h, w] = self.size;
        let size = self.options.window_size as usize;
        let loss = self.arguments.function == Function::Loss;
        Oracle {
            padding: if self.options.padding == capi::PADDING_VALID { Padding::Valid } else { Padding::Same },
            reduction: Reduction::Map,
            output: match self.options.output {
                capi::OUTPUT_DSSIM => Output::DSSIM,
                capi::OUTPUT_ONE_MINUS_SSIM => Output::ONE_MINUS_SSIM,
                _ if loss => Output::ONE_MINUS_SSIM,
                _ => Output::SSIM,
            },
            window: if self.options.window == 0 { Window::Gaussian(size) } else { Window::Uniform(size) },
            sigma: self.options.sigma,
            data_range: self.options.data_range,
            k1: self.options.k1,
            k2: self.options.k2,
            ..Oracle::new(n, c, h, w)
        }
    }

    /// First and last owned row, and rows of the whole image.
    fn rows(&self) -> (usize, usize, usize) {
        let h = self.size[2];
        match self.options.shard_height {
            0 => (0, h, h),
            height => {
                (self.options.shard_rows_above as usize, h - self.options.shard_rows_below as usize, height as usize)
            }
        }
    }

    fn answer(&self) -> Answer {
        let ([n, c, h, w], oracle) = (self.size, self.oracle());
        let planes = n * c;
        let (x, y) = (
            self.pixels(self.arguments.img1, &self.options.img1),
            self.pixels(self.arguments.img2, &self.options.img2),
        );
        let mask = self.mask();
        let weights = mask.as_deref().filter(|_| self.options.mask_mode != capi::MASK_MULTIPLY_INPUTS);
        let (first, end, whole) = self.rows();
        let (top, left, rows, columns) = oracle.region();
        let border = h - rows;
        let map = self.options.reduction == capi::REDUCTION_MAP;
        let group = match self.options.reduction {
            capi::REDUCTION_PER_IMAGE => c,
            capi::REDUCTION_PER_CHANNEL | capi::REDUCTION_MAP => 1,
            _ => planes,
        };
        let divisor = (self.options.shard_divisor > 0.0).then_some(self.options.shard_divisor);
        // What the sums of a group are divided by, of the map and of the pixels.
        let total = |group_index: usize, of_map: bool| -> f64 {
            if let Some(divisor) = divisor {
                return divisor;
            }
            let inside = |i: usize| {
                let (row, column) = (i / w % h, i % w);
                !of_map || (top..top + rows).contains(&row) && (left..left + columns).contains(&column)
            };
            match weights {
                Some(weights) => {
                    let own = group_index * group * h * w..(group_index + 1) * group * h * w;
                    own.filter(|&i| inside(i)).map(|i| weights[i]).sum()
                }
                None if of_map => (group * (whole - border) * columns) as f64,
                None => (group * whole * w) as f64,
            }
        };
        let over = |total: f64| if total == 0.0 { 0.0 } else { 1.0 / total };
        let factors: Vec<f64> =
            (0..planes / group).map(|group| if map { 1.0 } else { over(total(group, true)) }).collect();
        let upstream = self.upstream();
        let share = if self.arguments.function == Function::Loss { self.arguments.lambda } else { 1.0 };
        let seeds: Vec<f64> = (0..planes * rows * columns)
            .map(|i| {
                let plane = i / (rows * columns);
                let given = upstream.as_ref().map_or(1.0, |upstream| upstream[if map { i } else { plane / group }]);
                given * factors[plane / group] * share
            })
            .collect();
        let multiplied = |image: &[f64]| -> Vec<f64> {
            let mask = mask.as_deref().expect("a mask to multiply by");
            image.iter().zip(mask).map(|(pixel, weight)| pixel * weight).collect()
        };
        let (mut compared, mut answer) = ([x.clone(), y.clone()], None);
        if let Some(weights) = weights {
            let normalized = self.options.mask_mode == capi::MASK_NORMALIZED;
            let mode = if normalized { MaskMode::Normalized } else { MaskMode::WeightedMean };
            answer = Some(oracle.answer_masked(&x, &y, weights, mode, Some(&seeds)));
        } else if mask.is_some() {
            compared = [multiplied(&x), multiplied(&y)];
        }
        let mut answer = answer.unwrap_or_else(|| oracle.answer(&compared[0], &compared[1], Some(&seeds)));
        if mask.is_some() && weights.is_none() {
            (answer.grad_img1, answer.grad_img2) = (multiplied(&answer.grad_img1), multiplied(&answer.grad_img2));
        }

        let precise = self.precise();
        let mut result = Answer {
            values: Vec::new(),
            tolerances: Vec::new(),
            grads: [answer.grad_img1, answer.grad_img2],
            gradient_unit: seeds.iter().fold(0.0f64, |largest, seed| largest.max(seed.abs())) / self.options.data_range,
        };
        let own_map = |plane: usize| {
            let own = first.max(top)..end.min(top + rows).max(first.max(top));
            let terms = &answer.ssim;
            own.flat_map(move |row| {
                let start = (plane * rows + row - top) * columns;
                terms[start..start + columns].iter().copied()
            })
        };
        if map {
            for plane in 0..planes {
                result.values.extend(own_map(plane));
            }
            result.tolerances = vec![MAP_TOLERANCE[precise]; result.values.len()];
        } else {
            for (index, factor) in factors.iter().enumerate() {
                let terms: Vec<f64> = (index * group..(index + 1) * group).flat_map(own_map).collect();
                let empty = weights.is_some() && total(index, true) == 0.0;
                let value =
                    if empty { oracle.output.scale + oracle.output.offset } else { terms.iter().sum::<f64>() * factor };
                let size = terms.iter().map(|term| term.abs()).sum::<f64>() * factor;
                result.values.push(value);
                result.tolerances.push(VALUE_TOLERANCE[precise] * size.max(1.0));
            }
        }
        if self.arguments.function == Function::Loss {
            let totals: Vec<f64> = (0..planes / group).map(|group| over(total(group, false))).collect();
            self.add_pixel_losses(&mut result, [&compared[0], &compared[1]], weights, mask.as_deref(), group, &totals);
        }
        self.keep_owned_gradients(&mut result);
        result
    }

    fn upstream(&self) -> Option<Vec<f64>> {
        let backward = self.arguments.function == Function::Backward && self.arguments.grad_ssim != 0;
        let count = values(&self.options, self.arguments.shape) as usize;
        backward.then(|| self.read(self.arguments.grad_ssim, &self.number(), [1, 1, 1, count]))
    }

    /// Puts the loss and its pixel part before the dissimilarities, and adds its gradients.
    fn add_pixel_losses(
        &self,
        result: &mut Answer,
        [x, y]: [&[f64]; 2],
        weights: Option<&[f64]>,
        mask: Option<&[f64]>,
        group: usize,
        factors: &[f64],
    ) {
        let ([_, _, h, w], (first, end, _)) = (self.size, self.rows());
        let (lambda, squares) = (self.arguments.lambda, self.arguments.pixel_loss == capi::PIXEL_L2);
        let unit = self.options.data_range.powi(if squares { 2 } else { 1 });
        let mut parts = vec![0.0; factors.len()];
        let mut sizes = vec![0.0; factors.len()];
        for (i, (x, y)) in x.iter().zip(y).enumerate() {
            let (plane, row, difference) = (i / (h * w), i / w % h, x - y);
            let weight = weights.map_or(1.0, |weights| weights[i]) * factors[plane / group];
            if (first..end).contains(&row) {
                parts[plane / group] += weight * if squares { difference * difference } else { difference.abs() };
                sizes[plane / group] += weight;
            }
            let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
            let derivative = (1.0 - lambda) * weight * if squares { 2.0 * difference } else { sign };
            let chain = if weights.is_none() { mask.map_or(1.0, |mask| mask[i]) } else { 1.0 };
            result.grads[0][i] += derivative * chain;
            result.grads[1][i] -= derivative * chain;
        }
        let dissimilarities = result.values.clone();
        let mut losses = Vec::new();
        for (pixel, dissimilarity) in parts.iter().zip(&dissimilarities) {
            let weighted = |share: f64, part: f64| if share == 0.0 { 0.0 } else { share * part };
            losses.push(weighted(1.0 - lambda, *pixel) + weighted(lambda, *dissimilarity));
        }
        let precise = self.precise();
        let pixel_tolerances: Vec<f64> =
            sizes.iter().map(|size| VALUE_TOLERANCE[precise] * (size * unit).max(1.0)).collect();
        let of_losses = pixel_tolerances.iter().zip(&result.tolerances).map(|(pixel, map)| pixel + map);
        result.tolerances = [of_losses.collect(), pixel_tolerances.clone(), result.tolerances.clone()].concat();
        result.values = [losses, parts, dissimilarities].concat();
        let steepest = factors.iter().fold(0.0f64, |largest, factor| largest.max(*factor));
        result.gradient_unit += (1.0 - lambda) * steepest * if squares { self.options.data_range } else { 1.0 };
    }

    /// Of the elements as stored, and of the rows that a shard owns.
    fn keep_owned_gradients(&self, result: &mut Answer) {
        let ([_, _, h, w], (first, end, _)) = (self.size, self.rows());
        for (grad, layout) in result.grads.iter_mut().zip([&self.options.img1, &self.options.img2]) {
            let scale = self.scale(layout);
            *grad = grad
                .chunks_exact(h * w)
                .flat_map(|plane| plane[first * w..end * w].iter().map(move |element| element * scale))
                .collect();
        }
    }
}

/// Compares the arena after a call with what it was before. The fault, if there is one.
pub fn compare<W: World>(
    base: usize,
    arguments: &Arguments,
    before: &[u8],
    after: &[u8],
    exact: bool,
) -> Result<(), String> {
    let options = arguments.effective_options();
    let size = arguments.shape.map(|size| size as usize);
    let problem = Problem { arguments, options, size, memory: before, base };
    let [rows, _] = map_size(&options, arguments.shape);
    let has_value = arguments.function != Function::Backward;
    let parts = if arguments.function == Function::Loss { 3 } else { 1 };
    let count = parts * values(&options, arguments.shape) as usize;
    let answer = exact.then(|| problem.answer());
    let mut untouched = after.to_vec();
    let written = Problem { memory: after, ..problem };
    let mut restore = |address: usize, layout: &fssim_layout, size: [usize; 4]| {
        let bytes = elements::size(layout.dtype);
        for offset in offsets(layout, size) {
            let at = address - base + offset * bytes;
            untouched[at..at + bytes].copy_from_slice(&before[at..at + bytes]);
        }
    };
    if has_value && count > 0 {
        let (layout, size) = (problem.number(), [1, 1, 1, count]);
        restore(arguments.ssim, &layout, size);
        if let Some(answer) = &answer {
            let got = written.read(arguments.ssim, &layout, size);
            let (share, _) = elements::rounding(layout.dtype);
            for (i, (got, want)) in got.iter().zip(&answer.values).enumerate() {
                let error = (got - want).abs();
                let right = error <= answer.tolerances[i] + share * want.abs();
                if !right {
                    return Err(format!("value {i} of {count} ({rows} rows) is {got}, not {want}: off by {error:.2e}"));
                }
            }
        }
    }
    let owned = [size[0], size[1], problem.rows().1 - problem.rows().0, size[3]];
    for which in [0, 1] {
        if !arguments.wanted()[which] {
            continue;
        }
        let address = [arguments.grad_img1, arguments.grad_img2][which];
        let layout = [&options.grad_img1, &options.grad_img2][which];
        restore(address, layout, owned);
        if let Some(answer) = &answer {
            let scale = problem.scale([&options.img1, &options.img2][which]);
            let got = written.read(address, layout, owned);
            compare_gradient::<W>(&problem, layout.dtype, &got, &answer.grads[which], answer.gradient_unit * scale)
                .map_err(|fault| format!("gradient of img{}: {fault}", which + 1))?;
        }
    }
    if arguments.function == Function::Forward && arguments.saved != 0 {
        let bytes = capi::saved_bytes(arguments.shape, &options);
        let at = arguments.saved - base;
        untouched[at..at + bytes].copy_from_slice(&before[at..at + bytes]);
    }
    match (0..before.len()).find(|&i| untouched[i] != before[i]) {
        Some(i) => Err(format!("byte {i} of the arena was written, which is part of no output")),
        None => Ok(()),
    }
}

fn compare_gradient<W: World>(
    problem: &Problem<'_>,
    dtype: i32,
    got: &[f64],
    want: &[f64],
    unit: f64,
) -> Result<(), String> {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let (share, least) = elements::rounding(dtype);
    let precise = problem.precise();
    let smooth = problem.arguments.smooth || problem.options.mask_mode == capi::MASK_NORMALIZED;
    let ([_, _, h, w], size) = (problem.size, problem.options.window_size as usize);
    let is_narrow = h < size || w < size || problem.options.window == 0 && problem.options.sigma < 0.5;
    let tolerance = match precise {
        0 if smooth => W::SMOOTH_GRADIENT_TOLERANCE,
        0 if is_narrow => NARROW_GRADIENT_TOLERANCE,
        _ => GRADIENT_TOLERANCE[precise],
    };
    let error = norm(&mut got.iter().zip(want).map(|(got, want)| got - want));
    let size = norm(&mut want.iter().copied());
    let rounding = norm(&mut want.iter().map(|want| share * want.abs() + least));
    let nothing = NO_GRADIENT[precise] * unit * (want.len() as f64).sqrt();
    if error <= tolerance * size + rounding + nothing {
        return Ok(());
    }
    Err(format!("off by {error:.2e}, {:.2e} of its norm, {size:.2e}", error / size))
}
