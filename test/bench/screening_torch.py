"""Activation Clustering as the Adversarial Robustness Toolbox does it, for test/bench/screening-peer.ts.

Its ActivationDefence step by step, in the same libraries: activations of the penultimate layer by PyTorch in batches of 128,
segmented by label, each class brought down to 10 dimensions by PCA or FastICA and parted by KMeans of scikit-learn, then
analysed by `smaller` or `silhouette-scores` (with its bug mended: see gpu-worker/baselines/activation-clustering.ts).
Gradients are switched off and the classes, small as they are, are clustered by one thread; both favour it. Prints one line of JSON.
"""

import json
import sys
import time

import numpy as np
import sklearn
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, FastICA
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from torch_model import load, penultimate

BATCH, DIMENSIONS, SIZE_MAX, SILHOUETTE_MIN = 128, 10, 0.35, 0.1


def activations_of(model, pixels):
    parts = []
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            x = torch.from_numpy(pixels[start : start + BATCH].astype(np.float32) / 255)
            parts.append(model(x).numpy())
    return np.concatenate(parts)


def reduced(activations, method):
    if activations.shape[1] <= DIMENSIONS or len(activations) <= DIMENSIONS:
        return activations
    if method == "ica":
        return FastICA(n_components=DIMENSIONS, max_iter=1000, tol=0.005).fit_transform(activations)
    return PCA(n_components=DIMENSIONS).fit_transform(activations)


def suspects_of(activations, labels, method, rule):
    found = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            continue
        points = reduced(activations[rows], method)
        clusters = KMeans(n_clusters=2, n_init=10).fit_predict(points)
        sizes = np.bincount(clusters, minlength=2)
        poison = int(np.argmin(sizes))
        if rule == "silhouette-scores" and (
            sizes[poison] > SIZE_MAX * len(rows) or silhouette_score(points, clusters) < SILHOUETTE_MIN
        ):
            continue
        found.extend(int(row) for row in rows[clusters == poison])
    return found


def main():
    path, pixels, labels, shape, method, rule, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = load(path, penultimate(path))
    x = np.fromfile(pixels, np.uint8).reshape(-1, *json.loads(shape))
    y = np.fromfile(labels, np.int32)
    started, cpu_started = time.perf_counter(), time.process_time()
    activations = activations_of(model, x)
    extracted = time.perf_counter()
    with threadpool_limits(1):
        found = suspects_of(activations, y, method, rule)
    ended, cpu_ended = time.perf_counter(), time.process_time()
    answer = {
        "examples": len(x),
        "seconds": ended - started,
        "activation_seconds": extracted - started,
        "cpu_seconds": cpu_ended - cpu_started,
        "suspects": len(found),
        "versions": f"PyTorch {torch.__version__}, scikit-learn {sklearn.__version__}",
    }
    print(json.dumps(answer))


main()
