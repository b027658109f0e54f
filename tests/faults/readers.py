"""Every reader of the recipe, with a good file for it, and with a judge of what it makes of a bad one.

A judge raises Silent if the reader took a bad file for something that it is not. Every other error than RecipeError
(and ValueError where the caller turns it into a reason) is a traceback for the user.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from faults import read_bundles, read_commands, read_models, read_others, read_tables


class Reader(NamedTuple):
    """A reader.

    Attributes:
        kind: class for the counts: text, settings, arks, models, audio, archives, records.
        make: writes good files into a folder, and returns the one that is changed.
        read: reads the changed one.
        reasons: errors that callers turn into a reason for the user, besides RecipeError.
        cost: of one input, in units of a table's; fewer inputs are tried of a reader that costs more.
    """

    kind: str
    make: Callable[[Path], Path]
    read: Callable[[Path, bytes], None]
    reasons: tuple[type[Exception], ...] = ()
    cost: int = 1


READERS = {
    "table": Reader("text", read_tables.make_table, read_tables.judge_table),
    "table of ASCII": Reader("text", read_tables.make_ascii_table, read_tables.judge_table),
    "columns": Reader("text", read_tables.make_ascii_table, read_tables.judge_columns),
    "trials": Reader("text", read_tables.make_trials, read_tables.judge_trials),
    "scores": Reader("text", read_tables.make_scores, read_tables.judge_scores),
    "utt2num_samples": Reader("text", read_tables.make_numbers, read_tables.judge_recordings),
    "wav.scp": Reader("text", read_tables.make_scp, read_tables.judge_recordings),
    "wav.ark": Reader("arks", read_tables.make_ark, read_tables.judge_recordings),
    "embedding.ark": Reader("arks", read_tables.make_embeddings, read_tables.judge_embeddings),
    "embedding.scp": Reader("arks", read_tables.make_embedding_scp, read_tables.judge_embeddings),
    "embeddings of others": Reader("arks", read_tables.make_foreign_embeddings, read_tables.judge_foreign_embeddings),
    "settings": Reader("settings", read_tables.make_settings, read_tables.judge_settings),
    "stamp.json": Reader("records", read_tables.make_stamp, read_tables.judge_stamp),
    "metrics.jsonl": Reader("records", read_tables.make_metrics, read_tables.judge_metrics),
    "packing.jsonl": Reader("records", read_tables.make_journal, read_tables.judge_journal),
    "calibration": Reader("records", read_tables.make_calibration, read_tables.judge_calibration),
    "model.pt": Reader("models", read_models.make_model, read_models.judge_model),
    "model.pt of 0.2": Reader("models", read_models.make_unsealed_model, read_models.judge_model),
    "checkpoint.pt": Reader("models", read_models.make_checkpoint, read_models.judge_checkpoint),
    "plda.npz": Reader("models", read_models.make_plda, read_models.judge_plda),
    "bundle": Reader("models", read_bundles.make_bundle, read_bundles.judge_bundle),
    "card of a bundle": Reader("models", read_bundles.make_card, read_bundles.judge_part),
    "arrays of a bundle": Reader("models", read_bundles.make_arrays, read_bundles.judge_part),
    "people": Reader("models", read_bundles.make_people, read_bundles.judge_people),
    "Kaldi's plda": Reader("models", read_models.make_kaldi_plda, read_models.judge_kaldi_plda),
    "wav": Reader("audio", read_models.write_audio("a.wav"), read_models.judge_audio, (ValueError, OSError)),
    "flac": Reader("audio", read_models.write_audio("a.flac"), read_models.judge_audio, (ValueError, OSError)),
    "ogg": Reader("audio", read_models.write_audio("a.ogg", "VORBIS"), read_models.judge_audio, (ValueError, OSError)),
    "mp3": Reader("audio", read_models.write_audio("a.mp3"), read_models.judge_audio, (ValueError, OSError)),
    "caf": Reader("audio", read_models.write_audio("a.caf", "PCM_16"), read_models.judge_audio, (ValueError, OSError)),
    "wav in place": Reader("audio", read_models.write_audio("b.wav"), read_models.judge_in_place),
    "flac in place": Reader("audio", read_models.write_audio("b.flac"), read_models.judge_in_place),
    "tar": Reader("archives", read_models.make_tar, read_models.judge_archive),
    "zip": Reader("archives", read_models.make_zip, read_models.judge_archive),
    "label list": Reader("text", read_others.make_speakers, read_others.judge_speakers),
    "utt2cluster": Reader("text", read_others.make_clusters, read_others.judge_clusters),
    "RTTM": Reader("text", read_commands.make_name, read_commands.judge_rttm),
    "records of contrast": Reader("records", read_others.make_contrast, read_others.judge_experiment),
    "records of a round": Reader("records", read_others.make_round, read_others.judge_experiment),
    "score figures": Reader("records", read_others.make_scored, read_others.judge_experiment),
    "published checkpoint": Reader("models", read_others.make_checkpoint, read_others.judge_checkpoint),
    "entries of a checkpoint": Reader("models", read_others.make_entries, read_others.judge_entries),
    "dlg-lc verify": Reader("commands", read_commands.make_recording, read_commands.judge_recording, cost=4),
    "dlg-lc embed": Reader("commands", read_commands.make_scp, read_commands.judge_scp, cost=4),
    "encoder of a bundle": Reader("models", read_commands.make_network, read_commands.judge_network, cost=4),
    "detector of a bundle": Reader("models", read_commands.make_detector, read_commands.judge_network, cost=8),
    "words of dlg-lc": Reader("commands", read_commands.make_words, read_commands.judge_words, cost=4),
}
