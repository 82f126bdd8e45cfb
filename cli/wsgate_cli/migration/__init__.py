"""From the original gateway's configuration to wsgate's: what `wsgate migrate` reads, decides and writes."""
