/* Locks as some mounts of network file systems have them; see test_odd_folders.py. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int flock(int fd, int operation)
{
    const char *how = getenv("SHARDMILL_FLOCK");

    (void)fd;
    (void)operation;
    if (how != NULL && strcmp(how, "absent") == 0) {
        errno = ENOLCK;
        return -1;
    }
    return 0; /* everybody gets the lock */
}
