"""`python street_frames.py vtest.avi frames.npy`: the street of the section `robust`. Needs OpenCV.

Every second frame of the film of the OpenCV samples (Debian: /usr/share/doc/opencv-doc), grey,
reduced by areas to 144 × 192, the first 300 of them as bytes.
"""

import sys

import cv2
import numpy as np


def main(film, out, count=300):
    capture, frames = cv2.VideoCapture(film), []
    while len(frames) < count:
        seen, frame = capture.read()
        if not seen:
            sys.exit(f"{film}: {len(frames)} frames of {count} could be read")
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        frames.append(cv2.resize(grey, (192, 144), interpolation=cv2.INTER_AREA))
        capture.grab()
    np.save(out, np.array(frames))


if __name__ == "__main__":
    main(*sys.argv[1:])
