"""Names of metrics, as the libraries write them: which way is better, and which values there can be."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from botocore import loaders
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.metrics import (
    CATALOGUE,
    ENDINGS,
    NEGATED,
    PREFIXES,
    Metric,
    _catalogue,
    _known,
    _letters,
    drift_measure,
    judged_as,
    metric,
    near,
)

DATA = json.loads(CATALOGUE.read_text(encoding="utf-8"))

LOWER = [
    "binary_logloss",
    "multi_logloss",
    "logloss",
    "mlogloss",
    "log_loss",
    "l1",
    "l2",
    "mae",
    "mse",
    "rmse",
    "rmsle",
    "mape",
    "mphe",
    "poisson-nloglik",
    "gamma-nloglik",
    "cox-nloglik",
    "tweedie-nloglik",
    "tweedie-nloglik@1.5",
    "aft-nloglik",
    "gamma-deviance",
    "error",
    "error@0.7",
    "merror",
    "binary_error",
    "multi_error",
    "huber",
    "fair",
    "quantile",
    "gamma_deviance",
    "cross_entropy",
    "xentropy",
    "cross_entropy_lambda",
    "kullback_leibler",
    "kldiv",
    "l2_root",
    "root_mean_squared_error",
    "mean_wQuantileLoss",
    "test:mean_wQuantileLoss",
    "AverageWeightedQuantileLoss",
    "MASE",
    "MAPE",
    "WAPE",
    "RMSE",
    "MSE",
    "MAE",
    "LogLoss",
    "test:RMSE",
    "test:msd",
    "test:ssd",
    "validation:rmse",
    "train:mae",
    "test:absolute_loss",
    "test:objective_loss",
    "validation:total_loss",
    "train:final_loss",
    "test:binary_classification_cross_entropy",
    "test:cross_entropy",
    "validation:perplexity",
    "Logloss",
    "CrossEntropy",
    "MultiClass",
    "MultiClassOneVsAll",
    "MedianAbsoluteError",
    "MSLE",
    "SMAPE",
    "RMSEWithUncertainty",
    "QueryRMSE",
    "HammingLoss",
    "HingeLoss",
    "ZeroOneLoss",
    "BrierScore",
    "Quantile:alpha=0.1",
    "LogCosh",
    "Expectile",
    "Lq",
    "msle",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "val_loss",
    "eval_loss",
    "loss",
    "mean_absolute_percentage_error",
    "kl_divergence",
    "RootMeanSquaredError",
    "hinge",
    "squared_hinge",
    "wer",
    "cer",
    "ter",
    "mer",
    "der",
    "eer",
    "brier",
    "brier_score",
    "ece",
    "expected_calibration_error",
    "MCE",
    "fpr",
    "fnr",
    "false_positive_rate",
    "false_negative_rate",
    "nll",
    "perplexity",
    "crps",
    "pinball_loss",
    "WQL",
    "SQL",
    "RMSSE",
    "false_discovery_rate",
    "coverage_error",
    "label_ranking_loss",
    "davies_bouldin_score",
    "fid",
]
# No library lists these; the literature has them.
LOWER_BESIDES = """
    abs_error ace adaptive_calibration_error bce brier_loss character_error_rate circle_loss classification_error
    cross_entropy_loss ctc_loss cvrmse d2_tweedie_deviance diarization_error_rate dists equal_error_rate ergas
    false_acceptance_rate false_alarm_rate false_omission_rate false_rejection_rate far fdr frr huber_loss inertia
    js_divergence kullback_leibler_divergence levenshtein_distance lpips max_calibration_error
    maximum_calibration_error maximum_error mean_absolute_loss mean_pseudo_huber_error
    mean_relative_absolute_error mean_square_error mean_squared_distance medae median_ae misclassification_rate
    miss_rate nd neg_log_likelihood nll_loss normalized_rmse nrmse per phoneme_error_rate poisson_deviance
    poisson_loss ppl pseudo_huber rae reconstruction_error relative_absolute_error rmsd root_mean_square_error
    root_mean_squared_percentage_error root_relative_squared_error rrse rse sce sentence_error_rate ser
    squared_loss static_calibration_error sum_of_squared_distances test_loss train_loss training_loss
    validation_loss w_quantile_loss wil wmape
"""
LOWER += LOWER_BESIDES.split()

HIGHER = [
    "auc",
    "AUC",
    "roc_auc",
    "validation:auc",
    "test:roc_auc_score",
    "aucpr",
    "auc_mu",
    "au_prc",
    "PRAUC",
    "average_precision",
    "map",
    "map@5",
    "mAP",
    "ndcg",
    "ndcg@10",
    "ndcg-",
    "NDCG:top=10;type=Base",
    "AUC:type=Mu",
    "pre@3",
    "interval-regression-accuracy",
    "accuracy",
    "Accuracy",
    "BalancedAccuracy",
    "multiclass_accuracy",
    "binary_classification_accuracy",
    "validation:mIOU",
    "pixel_accuracy",
    "precision",
    "recall",
    "precision_weighted",
    "weighted_f1",
    "weighted_f0_5",
    "weighted_recall",
    "accuracy_best_constant_classifier",
    "f1",
    "F1",
    "F1macro",
    "PrecisionMacro",
    "RecallMacro",
    "f2",
    "f0_5",
    "total_F1",
    "test:binary_f_beta",
    "validation:f1_binary",
    "MCC",
    "mcc",
    "matthews_correlation",
    "kappa",
    "WKappa",
    "quadratic_kappa",
    "r2",
    "R2",
    "explained_variance",
    "neg_mean_squared_error",
    "neg_log_loss",
    "neg_root_mean_squared_error",
    "neg_brier_score",
    "NormalizedGini",
    "PFound",
    "mrr",
    "MRR",
    "hit_rate@10",
    "recall_at_5",
    "precision_at_k",
    "true_positive_rate",
    "specificity",
    "bleu",
    "sacrebleu",
    "rouge1",
    "rougeL",
    "RougeL-Sum",
    "exact_match",
    "meteor",
    "chrf",
    "mean_iou",
    "jaccard",
    "spearmanr",
    "pearsonr",
    "train:mean_rho",
    "test:pwll",
    "validation:discriminator_auc",
    "c_index",
    "silhouette_score",
    "adjusted_rand_score",
    "dcg",
    "val_accuracy",
    "eval_f1",
    "test_auc-mean",
    "LogLikelihoodOfPrediction",
    "pac_score",
    "top_k_accuracy",
    "sparse_top_k_categorical_accuracy",
    "CosineSimilarity",
]
# No library lists these; the literature has them.
HIGHER_BESIDES = """
    adjusted_r2 ami area_under_pr area_under_roc ari auc_roc auc_score bleurt ccc ciou
    coefficient_of_determination cohens_kappa comet concordance dice_coefficient diou dnsmos elbo em
    expected_reciprocal_rank gini_coefficient giou gleu google_bleu harrell_c informedness kendall_tau kendalltau
    ks_score linear_kappa lrap macro_f1 map50 map50_95 masked_accuracy matthews_correlation_coefficient
    mean_average_precision_at_iou mean_reciprocal_rank micro_f1 mos ms_ssim nisqa nist_mt nmi
    normalized_discounted_cumulative_gain npv overall_f1 overall_precision overall_recall pass_at pass_rate
    pearson per_word_log_likelihood phi_coefficient positive_predictive_value ppv precision_at_target_recall psnr
    purity quadratic_weighted_kappa qwk r_squared reciprocal_rank rouge2 rsquared sdr selectivity sensitivity
    si_snr snr spearman spearman_correlation subset_accuracy threat_score tnr top5_accuracy tpr true_negative_rate
    v_measure weighted_auc weighted_f2 weighted_kappa weighted_precision wip youdens_j
"""
HIGHER += HIGHER_BESIDES.split()


@pytest.mark.parametrize("name", LOWER)
def test_less_is_better(name: str) -> None:
    found = metric(name)
    assert found is not None
    assert found.lower


@pytest.mark.parametrize("name", HIGHER)
def test_more_is_better(name: str) -> None:
    found = metric(name)
    assert found is not None
    assert not found.lower


@pytest.mark.parametrize(
    "name", ["", "lift", "my_loss", "err", "value", "score", "validation:", "neg_", "@10", "latency", "auc_std"]
)
def test_a_name_that_says_nothing_is_known_as_nothing(name: str) -> None:
    assert metric(name) is None
    assert judged_as(name, None) is None
    assert judged_as(name, True) == Metric(name, True, None, None)


def test_every_metric_of_scikit_learn_is_known_with_its_direction() -> None:
    """A scorer is better when it is greater; of an error it is the error with its sign changed."""
    import sklearn.metrics  # noqa: PLC0415 - takes a second, which no other test has to pay

    scorers = sklearn.metrics.get_scorer_names()
    assert len(scorers) > 50
    assert [name for name in scorers if (found := metric(name)) is None or found.lower] == []
    measures = [name for name in sklearn.metrics.__all__ if name.endswith(("_score", "_loss", "_error", "_deviance"))]
    assert len(measures) > 40
    assert [name for name in measures if metric(name) is None] == []
    wrong = [
        name
        for name in measures
        if (found := metric(name)) and found.lower != name.endswith(("_loss", "_error", "_deviance"))
    ]
    # A score is better when it is greater, but for one.
    assert wrong == ["davies_bouldin_score"]


RECORDED = {
    path.parent.parent.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "dialects").glob("*/recorded/metrics.json"))
}

# Names that a library lists and the catalogue leaves out: a policy that means one of them has to say lower_is_better.
NO_MEASURE_OF_QUALITY = {
    "a table or a curve, not a number": """
        ConfusionMatrix BinaryConfusionMatrix MulticlassConfusionMatrix MultilabelConfusionMatrix ROC BinaryROC MulticlassROC
        MultilabelROC PrecisionRecallCurve BinaryPrecisionRecallCurve MulticlassPrecisionRecallCurve MultilabelPrecisionRecallCurve
        RetrievalPrecisionRecallCurve StatScores BinaryStatScores MulticlassStatScores MultilabelStatScores""",
    "several numbers under one name": "BinaryFairness BinaryGroupStatRates SQuAD",
    "holds or changes other metrics": """
        Metric MetricCollection MetricTracker BootStrapper ClasswiseWrapper MinMaxMetric MultioutputWrapper MultitaskWrapper Running
        FeatureShare PermutationInvariantTraining MetricInputTransformer LambdaInputTransformer BinaryTargetTransformer
        MeanMetricWrapper Combination UserPerObjMetric UserQuerywiseMetric""",
    "sums or averages whatever it is given": "Mean Sum CatMetric MaxMetric MeanMetric MinMetric SumMetric RunningMean RunningSum",
    "a count that grows with the data": "TruePositives TrueNegatives",
    "best between its ends": "BIAS CtrFactor",
    "its direction depends on its parameter": "InfoLM",
    "an objective, which the library takes for a metric of its own choice": """
        binary regression softmax ova ovr multiclass_ova multiclassova lambdarank rank_xendcg xendcg xendcg_mart xe_ndcg xe_ndcg_mart""",
    "the library's direction is not that of its definition": """
        ams SpectralDistortionIndex PerceptualPathLength""",
    "one name, two directions: a loss here and a coefficient elsewhere": "Dice dice Tversky tversky",
    "an error rate to most, the expected reciprocal rank to CatBoost": "ERR",
    "an association of two columns here and an error of forecasts elsewhere": "TheilsU",
    "a property of an image": "TotalVariation",
    "how fast, not how well": "InferenceLatency",
}  # fmt: skip
LEFT_OUT = {name for names in NO_MEASURE_OF_QUALITY.values() for name in names.split()}

# What a library says of its own metric, and the catalogue does not.
CONTRADICTED = {
    ("lightgbm", "r2"): "what its names do not begin with auc, ndcg@, map@ or average_precision, it takes for an error",
    ("xgboost", "interval-regression-accuracy"): "what its early stopping does not list, it takes for an error",
    (
        "torchmetrics",
        "DaviesBouldinScore",
    ): "Davies and Bouldin (1979), and scikit-learn: the clusters are better when it is lower",
    ("torchmetrics", "WordInfoPreserved"): "1 - WordInfoLost, of which it says the same",
}


@pytest.mark.parametrize("library", RECORDED)
def test_every_metric_that_a_library_lists_is_known_with_its_direction_or_left_out_for_a_reason(library: str) -> None:
    listed = {each["name"]: each["lower_is_better"] for each in RECORDED[library]["metrics"]}
    assert len(listed) > 20
    unknown = {name for name in listed if metric(name) is None}
    assert unknown - LEFT_OUT == set()
    wrong = {
        (library, name)
        for name, lower in listed.items()
        if (found := metric(name)) is not None and lower is not None and found.lower is not lower
    }
    assert wrong == {pair for pair in CONTRADICTED if pair[0] == library}


def test_every_metric_of_autopilot_is_known() -> None:
    shapes = loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    names = {name for shape in ("AutoMLMetricEnum", "AutoMLMetricExtendedEnum") for name in shapes[shape]["enum"]}
    assert len(names) > 20
    assert {name for name in names if metric(name) is None} - LEFT_OUT == set()


def test_what_is_left_out_is_listed_by_a_library_and_known_as_nothing() -> None:
    listed = {each["name"] for library in RECORDED.values() for each in library["metrics"]} | {"InferenceLatency"}
    assert LEFT_OUT - listed == set()
    assert {name for name in LEFT_OUT if metric(name) is not None} == set()
    assert RECORDED.keys() >= {
        "autogluon",
        "catboost",
        "keras",
        "lightgbm",
        "sagemaker_built_in",
        "torchmetrics",
        "xgboost",
    }


def test_a_name_may_say_its_task() -> None:
    assert metric("F1 avg") == metric("f1") is not None
    for name in ("BinaryAUROC", "multilabel_auroc", "AUCMulticlass", "val_binary_auroc"):
        assert metric(name) == metric("auc")
    assert metric("RetrievalMRR") == metric("mrr")
    assert metric("multiclass") == metric("log_loss")


def shorter(letters: str) -> set[str]:
    """A name's letters, and what is left of them without what may stand before and after."""
    begun = [letters.removeprefix(each) for each in (*PREFIXES, NEGATED) if letters.startswith(each)]
    left = {each for each in (*begun, ENDINGS.sub("", letters)) if each != letters}
    return {letters}.union(*map(shorter, left))


def test_every_name_of_the_catalogue_is_some_librarys_or_is_written_here_too() -> None:
    """A misspelt alias is nobody's name."""
    import sklearn.metrics  # noqa: PLC0415 - takes a second, which no other test has to pay

    listed = [each["name"] for library in RECORDED.values() for each in library["metrics"]]
    written = [*listed, *sklearn.metrics.__all__, *sklearn.metrics.get_scorer_names(), *LOWER, *HIGHER]
    parts = {_letters(part) for name in written for part in (name, name.rpartition(":")[2], name.partition(":")[0])}
    said = set().union(*map(shorter, parts))
    assert {name for entry in DATA["metrics"] for name in entry["aliases"] if _letters(name) not in said} == set()


@pytest.mark.parametrize(
    "prefix", ["validation", "valid", "val", "test", "training", "train", "eval", "holdout", "oob", "cv", "mean"]
)
def test_a_name_may_say_on_which_data_it_was_measured(prefix: str) -> None:
    assert metric(f"{prefix}_auc") == metric("auc")
    assert metric(f"{prefix}Auc") == metric("auc")


def test_the_catalogue_is_read_when_the_first_name_is_looked_up() -> None:
    for cached in (_known, _catalogue):
        cached.cache_clear()
    assert metric("auc") == Metric("auc", lower=False, least=0, most=1)
    assert metric("l1") == metric("mae") == Metric("mae", lower=True, least=0, most=None)
    assert drift_measure("p_value") == Metric("p_value", lower=True, least=0, most=1)
    assert drift_measure("population_stability_index") == Metric("psi", lower=False, least=0, most=None)


def test_ranges_are_those_of_the_definition() -> None:
    auc, rmse, r2 = metric("auc"), metric("validation:rmse"), metric("r2")
    assert auc is not None
    assert rmse is not None
    assert r2 is not None
    assert [auc.impossible(value) for value in (0.0, 0.5, 1.0)] == [None] * 3
    assert auc.impossible(1.0001) == "no auc is above 1"
    assert rmse.impossible(-0.1) == "no rmse is below 0"
    assert rmse.impossible(1e308) is None
    assert (r2.impossible(-1e9), r2.impossible(1.1)) == (None, "no r2 is above 1")
    negated = metric("neg_mean_absolute_error")
    assert negated == Metric("negated mae", lower=False, least=None, most=-0.0)
    assert negated.negated() == Metric("negated negated mae", lower=True, least=0.0, most=None)


def test_a_policy_that_contradicts_the_catalogue_means_something_else() -> None:
    assert judged_as("rmse", True) == judged_as("rmse", None) == metric("rmse")
    assert judged_as("rmse", False) == Metric("rmse", False, None, None)


MORE_IS_DRIFT = """
psi PSI ks_statistic Kolmogorov-Smirnov wasserstein|Wasserstein distance (normed)|Jensen-Shannon distance|Kullback-Leibler divergence|
Hellinger distance|chi2_statistic|L-infinity distance|share_of_drifted_columns|drift_share|domain_classifier_auroc
"""
LESS_IS_DRIFT = (
    "K-S p_value|chi-square p_value|Z-test p_value|ks_p_value|p_value|Mann-Whitney U-rank test p_value|"
    "Fisher's Exact test p_value|attribution_ndcg"
)


def test_which_way_a_measure_of_drift_says_more_drift() -> None:
    more = [name for part in MORE_IS_DRIFT.split("|") for name in (part.split() if "psi" in part else [part.strip()])]
    for name in more:
        found = drift_measure(name)
        assert found is not None, name
        assert not found.lower, name
    for name in LESS_IS_DRIFT.split("|"):
        found = drift_measure(name)
        assert found is not None, name
        assert found.lower, name
    assert drift_measure("auc") is None


@pytest.mark.parametrize(
    "name",
    ["shap_value_drift", "gap_value", "map_value", "top_value_share", "step_value", "p99", "latency:p95", "p50_ms"],
)
def test_a_name_with_the_letters_of_a_p_value_is_none(name: str) -> None:
    assert drift_measure(name) is None


@pytest.mark.parametrize(
    "name", ["p", "pval", "p-value", "PValue", "age_ks_pvalue", "KS p-value (age)", "log_income_p_value"]
)
def test_a_p_value_is_one_of_whatever_test_and_column(name: str) -> None:
    assert drift_measure(name) == Metric("p_value", lower=True, least=0, most=1)


@pytest.mark.parametrize(
    "name",
    [
        "1-p_value",
        "1 - ks_p_value",
        "one_minus_p_value",
        "neg_log10_p_value",
        "-log10(p_value)",
        "log_p_value",
        "neg_p_value",
    ],
)
def test_of_the_complement_or_the_logarithm_of_a_p_value_more_is_drift(name: str) -> None:
    found = drift_measure(name)
    assert found is not None
    assert not found.lower


def test_no_name_means_two_things_and_each_says_where_it_is_from() -> None:
    for kind in ("metrics", "drift_measures"):
        letters = [_letters(name) for entry in DATA[kind] for name in {entry["name"], *entry["aliases"]}]
        spelled = {name for entry in DATA[kind] for name in (entry["name"], *entry["aliases"])}
        assert len(letters) == len(spelled)
        owners: dict[str, set[str]] = {}
        for entry in DATA[kind]:
            for name in (entry["name"], *entry["aliases"]):
                owners.setdefault(_letters(name), set()).add(entry["name"])
        assert {name: of for name, of in owners.items() if len(of) > 1} == {}
        for entry in DATA[kind]:
            assert entry["sources"], entry
            assert set(entry["sources"]) <= DATA["sources"].keys()
            least, most = entry["range"]
            assert least is None or most is None or least < most


def test_who_misspells_a_metric_is_told_what_it_may_have_meant() -> None:
    assert near("roc_acu") == ["roc_auc"]
    assert "rmse" in near("rmsee")
    assert near("zzzzzz") == []


@given(st.text(string.printable, max_size=60))
def test_no_name_is_too_odd_to_be_looked_up(name: str) -> None:
    assert metric(name) is None or isinstance(metric(name), Metric)
    assert drift_measure(name) is None or isinstance(drift_measure(name), Metric)
