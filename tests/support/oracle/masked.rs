//! Masks and losses, from the same definitions.

use super::{Answer, LossAnswer, MaskMode, Moments, Oracle, PixelLoss, Reduction};

impl Oracle {
    /// [`Oracle::answer`] with a mask, from the definitions: the weighted mean as an upstream gradient of the map, multiplied
    /// inputs by the chain rule, and normalised windows by a sum over each window.
    pub fn answer_masked(
        &self,
        img1: &[f64],
        img2: &[f64],
        mask: &[f64],
        mode: MaskMode,
        upstream: Option<&[f64]>,
    ) -> Answer {
        let times = |image: &[f64]| -> Vec<f64> { image.iter().zip(mask).map(|(pixel, m)| pixel * m).collect() };
        if mode == MaskMode::MultiplyInputs {
            let answer = self.answer(&times(img1), &times(img2), upstream);
            return Answer { grad_img1: times(&answer.grad_img1), grad_img2: times(&answer.grad_img2), ..answer };
        }
        let of_map = Oracle { reduction: Reduction::Map, ..*self };
        let weights = self.weights_of_map(mask);
        let group = weights.len() / self.values();
        let totals: Vec<f64> = weights.chunks_exact(group).map(|weights| weights.iter().sum()).collect();
        let factor = |i: usize| match self.reduction {
            Reduction::Map => weights[i],
            _ if totals[i / group] == 0.0 => 0.0,
            _ => weights[i] / totals[i / group],
        };
        let seeds: Vec<f64> =
            (0..weights.len()).map(|i| factor(i) * upstream.map_or(1.0, |upstream| upstream[i / group])).collect();
        let map = match mode {
            MaskMode::Normalized => of_map.normalized_answer(img1, img2, mask, &seeds),
            _ => of_map.answer(img1, img2, Some(&seeds)),
        };
        let ssim = (0..self.values())
            .map(|g| {
                let sum: f64 = (g * group..(g + 1) * group).map(|i| factor(i) * map.ssim[i]).sum();
                if self.reduction != Reduction::Map && totals[g] == 0.0 { self.of(1.0) } else { sum }
            })
            .collect();
        Answer { ssim, ..map }
    }

    /// The mask where the map has values, in the map's order.
    fn weights_of_map(&self, mask: &[f64]) -> Vec<f64> {
        mask.chunks_exact(self.h * self.w).flat_map(|plane| self.map_indices().map(|i| plane[i])).collect()
    }

    /// The map under normalised windows, and the gradients of `sum(seeds * map)`.
    fn normalized_answer(&self, img1: &[f64], img2: &[f64], mask: &[f64], seeds: &[f64]) -> Answer {
        let (taps, plane) = (self.taps(), self.h * self.w);
        let radius = taps.len() / 2;
        let mut answer =
            Answer { ssim: Vec::new(), grad_img1: vec![0.0; img1.len()], grad_img2: vec![0.0; img2.len()] };
        for first in (0..img1.len()).step_by(plane) {
            for pixel in self.map_indices() {
                let (row, column) = (pixel / self.w, pixel % self.w);
                // The window's pixels with their normalised weights.
                let mut window = Vec::new();
                for (i, vertical) in taps.iter().enumerate() {
                    for (j, horizontal) in taps.iter().enumerate() {
                        let (r, q) = (row + i, column + j);
                        if r >= radius && r - radius < self.h && q >= radius && q - radius < self.w {
                            let at = first + (r - radius) * self.w + q - radius;
                            window.push((at, vertical * horizontal * mask[at]));
                        }
                    }
                }
                let total: f64 = window.iter().map(|(_, weight)| weight).sum();
                if total == 0.0 {
                    answer.ssim.push(self.of(1.0));
                    continue;
                }
                let mean = |of: &dyn Fn(usize) -> f64| -> f64 {
                    window.iter().map(|&(at, weight)| weight / total * of(at)).sum()
                };
                let moments = Moments {
                    mu1: vec![mean(&|at| img1[at])],
                    mu2: vec![mean(&|at| img2[at])],
                    p: vec![mean(&|at| img1[at] * img1[at] + img2[at] * img2[at])],
                    q: vec![mean(&|at| img1[at] * img2[at])],
                };
                let terms = self.terms(&moments, 0);
                let (mu1, mu2) = (moments.mu1[0], moments.mu2[0]);
                let seed = seeds[answer.ssim.len()] * self.output.scale;
                answer.ssim.push(self.of(terms.ssim()));
                for &(at, weight) in &window {
                    let (x, y, weight) = (img1[at], img2[at], seed * weight / total);
                    answer.grad_img1[at] += weight * (terms.d_mean(mu1, mu2) + 2.0 * x * terms.d_p() + y * terms.d_q());
                    answer.grad_img2[at] += weight * (terms.d_mean(mu2, mu1) + 2.0 * y * terms.d_p() + x * terms.d_q());
                }
            }
        }
        answer
    }

    /// (1 - lambda) * pixel loss + lambda * the output, and the gradients of its sum over the groups.
    pub fn loss(
        &self,
        img1: &[f64],
        img2: &[f64],
        mask: Option<(&[f64], MaskMode)>,
        pixel: PixelLoss,
        lambda: f64,
    ) -> LossAnswer {
        let answer = match mask {
            Some((mask, mode)) => self.answer_masked(img1, img2, mask, mode, None),
            None => self.answer(img1, img2, None),
        };
        let ones = vec![1.0; img1.len()];
        let (weights, factors): (&[f64], &[f64]) = match mask {
            Some((mask, MaskMode::MultiplyInputs)) => (&ones, mask),
            Some((mask, _)) => (mask, &ones),
            None => (&ones, &ones),
        };
        let group = img1.len() / self.values();
        let mut result = LossAnswer {
            loss: Vec::new(),
            pixel: Vec::new(),
            dissimilarity: answer.ssim,
            grad_img1: answer.grad_img1.iter().map(|g| lambda * g).collect(),
            grad_img2: answer.grad_img2.iter().map(|g| lambda * g).collect(),
        };
        for g in 0..self.values() {
            let pixels = g * group..(g + 1) * group;
            let total: f64 = weights[pixels.clone()].iter().sum();
            let mut sum = 0.0;
            for i in pixels.filter(|_| total != 0.0) {
                let difference = factors[i] * (img1[i] - img2[i]);
                let (value, derivative) = match pixel {
                    PixelLoss::L1 if difference == 0.0 => (0.0, 0.0),
                    PixelLoss::L1 => (difference.abs(), difference.signum()),
                    PixelLoss::L2 => (difference * difference, 2.0 * difference),
                };
                sum += weights[i] / total * value;
                let derivative = (1.0 - lambda) * weights[i] / total * derivative * factors[i];
                result.grad_img1[i] += derivative;
                result.grad_img2[i] -= derivative;
            }
            result.pixel.push(sum);
            result.loss.push((1.0 - lambda) * sum + lambda * result.dissimilarity[g]);
        }
        result
    }
}
