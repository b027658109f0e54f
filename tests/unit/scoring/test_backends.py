def test_cosine_against_a_loop():
    x, mean = RNG.normal(size=(30, 5)).astype("f4"), RNG.normal(size=5).astype("f4")
    rows, columns = RNG.integers(30, size=(2, 500))
    unit = unit_length(x, mean)
    scores = dot_trials(unit, unit, rows, columns, chunk=64)
    for i in range(0, 500, 17):
        a, b = x[rows[i]] - mean, x[columns[i]] - mean
        assert abs(scores[i] - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) < 1e-6
