# SSIM and its gradient the plain way, in Float64, for arrays of size (w, h, c, n): the textbook's statistics and one
# two-dimensional window per pixel.

const RADIUS = 5

function reference_taps(sigma)
    raw = [exp(-0.5 * (i / sigma)^2) for i = -RADIUS:RADIUS]
    return Float64.(Float32.(raw ./ sum(raw)))
end

map_range(size, padding) = padding === :valid ? ((RADIUS+1):(size-RADIUS)) : (1:size)

# Each window of each plane in turn: visit(weights, x, y, indices of both, pixel).
function each_window(visit, x, y, padding, sigma)
    taps = reference_taps(sigma)
    width, height, channels, images = size(x)
    for n = 1:images, c = 1:channels, v in map_range(height, padding), u in map_range(width, padding)
        us, vs = max(u - RADIUS, 1):min(u + RADIUS, width), max(v - RADIUS, 1):min(v + RADIUS, height)
        weights = taps[us .- (u - RADIUS - 1)] * taps[vs .- (v - RADIUS - 1)]'
        visit(weights, Float64.(x[us, vs, c, n]), Float64.(y[us, vs, c, n]), (us, vs, c, n), (u, v, c, n))
    end
end

function statistics(weights, a, b, data_range, k1, k2)
    mu1, mu2 = sum(weights .* a), sum(weights .* b)
    c1, c2 = (k1 * data_range)^2, (k2 * data_range)^2
    variances = sum(weights .* (a .^ 2 .+ b .^ 2)) - mu1^2 - mu2^2
    covariance = sum(weights .* a .* b) - mu1 * mu2
    return mu1, mu2, 2mu1 * mu2 + c1, mu1^2 + mu2^2 + c1, 2covariance + c2, variances + c2
end

"The SSIM map."
function reference_map(x, y; padding = :same, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03)
    width, height, channels, images = size(x)
    border = padding === :valid ? RADIUS : 0
    map = zeros(width - 2border, height - 2border, channels, images)
    each_window(x, y, padding, sigma) do weights, a, b, _, (u, v, c, n)
        _, _, C, A, D, B = statistics(weights, a, b, data_range, k1, k2)
        map[u-border, v-border, c, n] = C * D / (A * B)
    end
    return map
end

"The gradient with respect to x of the sum of `seed .* map`; `seed` has the size of the map."
function reference_gradient(x, y, seed; padding = :same, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03)
    border = padding === :valid ? RADIUS : 0
    gradient = zeros(size(x))
    each_window(x, y, padding, sigma) do weights, a, b, window, (u, v, c, n)
        mu1, mu2, C, A, D, B = statistics(weights, a, b, data_range, k1, k2)
        S = C * D / (A * B)
        terms = S * (2mu2 / C - 2mu1 / A) .- (2S / B) .* (a .- mu1) .+ (2C / (A * B)) .* (b .- mu2)
        gradient[window...] .+= seed[u-border, v-border, c, n] .* weights .* terms
    end
    return gradient
end

mean_seed(map) = fill(1 / length(map), size(map))

relative(a, b) = sqrt(sum(abs2, Float64.(a) .- b) / sum(abs2, b))

const VALUE_TOLERANCE = 1e-6
const GRADIENT_TOLERANCE = 2e-6

"Repeatable images of size (w, h, c, n): a smooth picture with noise, and a blend of it with other noise."
function images(dims...; seed = 7)
    random = MersenneTwister(seed)
    smooth = [0.5 + 0.3 * sin(i[1] / 5) * cos(i[2] / 7) for i in CartesianIndices(dims)]
    x = Float32.(0.7 .* smooth .+ 0.3 .* rand(random, dims...))
    return x, Float32.(0.75 .* x .+ 0.25 .* rand(random, dims...))
end
