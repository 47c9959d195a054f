"""From arrays and files to batches: pipelines that know no data set."""
