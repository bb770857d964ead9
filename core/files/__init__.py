"""Files and folders: durable writes, free disk space, DUET_HOME and run folders."""
