import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from fergi.errors import VideoError
from fergi.stages.perception.video import video_frames

MILLISECOND = Fraction(1, 1000)
GREY_LEVELS = (40, 90, 140, 190, 240, 60, 110, 160, 210, 30, 80, 130)
EACH_CONTAINER = pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("b.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
    ids=["mp4 H.264", "mov MPEG-4", "webm VP8", "webm VP9", "mkv H.264", "avi MJPEG"],
)


def _grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def _noisy(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures that do not compress, so that a file can be cut in the middle of one."""
    stream = np.random.default_rng(0)
    return list(stream.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def _write(
    path: Path,
    images: Sequence[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    milliseconds: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write a video, at 30 frames per second unless times are given."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], pixels
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if milliseconds:
            stream.time_base = stream.codec_context.time_base = MILLISECOND
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if milliseconds:
                frame.pts, frame.time_base = milliseconds[number], MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _decoded_before_the_break(path: Path) -> tuple[int, VideoError]:
    count = 0
    try:
        for _ in video_frames(path):
            count += 1
    except VideoError as error:
        return count, error
    pytest.fail(f"all {count} frames were decoded")


@EACH_CONTAINER
def test_every_frame_comes_with_its_picture_and_its_time(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    path = _write(tmp_path / name, [_grey(level) for level in GREY_LEVELS], codec, pixels)
    frames = list(video_frames(path))
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    # The codecs keep flat grey to within a few levels; neighbours differ by 50.
    np.testing.assert_allclose([frame.image.mean() for frame in frames], GREY_LEVELS, atol=8)
    # Matroska and webm keep whole milliseconds.
    np.testing.assert_allclose(
        [frame.time for frame in frames], np.arange(len(GREY_LEVELS)) / 30, atol=0.001
    )


@pytest.mark.parametrize(
    ("name", "codec"), [("b.mp4", "libx264"), ("b.avi", "libx264"), ("b.avi", "mpeg4")]
)
def test_frames_come_in_the_order_in_which_they_are_shown(
    tmp_path: Path, name: str, codec: str
) -> None:
    images = [_grey(level) for level in GREY_LEVELS]
    path = _write(tmp_path / name, images, codec, options={"bf": "3", "b_strategy": "0"})
    with av.open(str(path)) as container:
        assert any(frame.pict_type == PictureType.B for frame in container.decode(video=0))
    frames = list(video_frames(path))
    np.testing.assert_allclose([frame.image.mean() for frame in frames], GREY_LEVELS, atol=8)
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 30, atol=1e-6)


def test_a_gap_in_an_avi_stays_a_gap(tmp_path: Path) -> None:
    milliseconds = [0, 40, 80, 400, 440]
    images = [_grey(level) for level in GREY_LEVELS[:5]]
    path = _write(tmp_path / "a.avi", images, "mjpeg", "yuvj420p", milliseconds=milliseconds)
    times = [frame.time for frame in video_frames(path)]
    np.testing.assert_allclose(times, np.array(milliseconds) / 1000, atol=0.001)


def test_of_frames_in_one_millisecond_the_first_is_taken(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4", [_grey(level) for level in GREY_LEVELS], "mpeg4")
    fast = tmp_path / "fast.mp4"
    with av.open(str(path)) as source, av.open(str(fast), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None:
                packet.stream, packet.time_base = stream, Fraction(1, 10_000)
                packet.pts = packet.dts = number * 4
                container.mux(packet)
    times = [frame.time for frame in video_frames(fast)]
    assert [f"{time:.3f}" for time in times] == ["0.000", "0.001", "0.002", "0.003", "0.004"]


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [(Fraction(4, 3), (48, 85)), (Fraction(1, 2), (96, 64)), (Fraction(1), (48, 64))],
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, shape: tuple[int, int]) -> None:
    path = _write(tmp_path / "a.mp4", [_grey(90)] * 3, aspect=aspect)
    assert {frame.image.shape[:2] for frame in video_frames(path)} == {shape}


def test_pixels_that_no_camera_has_are_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4", [_grey(90)] * 3, aspect=Fraction(5))
    with pytest.raises(VideoError, match="5 times as wide as high"):
        list(video_frames(path))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_live_webm_of_uneven_rate_has_the_times_of_its_container(
    tmp_path: Path, codec: str
) -> None:
    milliseconds = [5000, 5033, 5100, 5105, 5400, 6000]
    path = _write(
        tmp_path / "a.webm",
        [_grey(level) for level in GREY_LEVELS[:6]],
        codec,
        milliseconds=milliseconds,
        container_options={"live": "1"},
    )
    with av.open(str(path)) as container:
        assert container.duration is None
    # From the first frame; doubles hold milliseconds to far better than this.
    np.testing.assert_allclose(
        [frame.time for frame in video_frames(path)],
        (np.array(milliseconds) - 5000) / 1000,
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("matrix", "bright"),
    [
        ((1, 0, 0, 1), "left"),
        ((0, 1, -1, 0), "top"),
        ((-1, 0, 0, -1), "right"),
        ((0, -1, 1, 0), "bottom"),
    ],
    ids=["upright", "clockwise", "upside down", "counterclockwise"],
)
def test_a_video_is_turned_as_the_camera_was_held(
    tmp_path: Path, matrix: tuple[int, int, int, int], bright: str
) -> None:
    image = _grey(10)
    image[:, :16] = 240
    content = _write(tmp_path / "a.mp4", [image] * 3).read_bytes()
    upright = _display_matrix(1, 0, 0, 1)
    # The movie's own matrix, then the track's, of which the second turns the picture.
    assert content.count(upright) == 2
    place = content.rindex(upright)
    turned = content[:place] + _display_matrix(*matrix) + content[place + 36 :]
    (tmp_path / "a.mp4").write_bytes(turned)
    frame = next(video_frames(tmp_path / "a.mp4"))
    is_turned_by_a_quarter = matrix[0] == 0
    assert frame.image.shape == ((64, 48, 3) if is_turned_by_a_quarter else (48, 64, 3))
    assert frame.image.flags.c_contiguous
    edges = {
        "left": frame.image[:, :8],
        "right": frame.image[:, -8:],
        "top": frame.image[:8],
        "bottom": frame.image[-8:],
    }
    assert max(edges, key=lambda edge: edges[edge].mean()) == bright


def _display_matrix(a: int, b: int, c: int, d: int) -> bytes:
    """Give the matrix of an mp4: a, b, 0, c, d, 0, 0, 0, 1; the last in 2.30 fixed point."""
    one = 1 << 16
    numbers = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    return b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)


@pytest.mark.parametrize(
    ("width", "height", "codec", "pixels"),
    [
        (1, 1, "ffv1", "bgr0"),
        (641, 359, "libvpx-vp9", "yuv420p"),
        (65, 47, "mjpeg", "yuvj420p"),
        (33, 200, "ffv1", "yuv444p"),
    ],
)
def test_odd_sizes_are_kept(
    tmp_path: Path, width: int, height: int, codec: str, pixels: str
) -> None:
    images = [_grey(level, width, height) for level in GREY_LEVELS[:3]]
    frames = list(video_frames(_write(tmp_path / "a.mkv", images, codec, pixels)))
    assert [frame.image.shape for frame in frames] == [(height, width, 3)] * 3
    # As in every container above.
    np.testing.assert_allclose([frame.image.mean() for frame in frames], GREY_LEVELS[:3], atol=8)


@pytest.mark.parametrize(("codec", "pixels"), [("ffv1", "yuv422p10le"), ("libx264", "yuv420p10le")])
def test_ten_bits_become_eight(tmp_path: Path, codec: str, pixels: str) -> None:
    path = _write(tmp_path / "a.mkv", [_grey(level) for level in GREY_LEVELS], codec, pixels)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == pixels
    frames = list(video_frames(path))
    assert all(frame.image.dtype == np.uint8 for frame in frames)
    # As in every container above.
    np.testing.assert_allclose([frame.image.mean() for frame in frames], GREY_LEVELS, atol=8)


def test_an_8k_video_is_decoded(tmp_path: Path) -> None:
    images = [_grey(200, 7680, 4320)] * 2
    path = _write(tmp_path / "a.mp4", images, options={"preset": "ultrafast"})
    assert [frame.image.shape for frame in video_frames(path)] == [(4320, 7680, 3)] * 2


def test_no_frame_is_kept(tmp_path: Path) -> None:
    frames = video_frames(_write(tmp_path / "a.mp4", _noisy(12)))
    seen = [weakref.ref(frame.image) for frame in (next(frames) for _ in range(10))]
    # The last one may still be on its way to the next.
    assert [image() is None for image in seen[:-1]] == [True] * 9


PEAK = """
import re, sys
from pathlib import Path
from fergi.stages.perception.video import video_frames
for frame in video_frames(Path(sys.argv[1])):
    pass
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells the peak")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = []
    for count in (20, 400):
        path = _write(tmp_path / f"{count}.mp4", [_grey(100, 320, 240)] * count)
        ended = subprocess.run(
            [sys.executable, "-c", PEAK, path], check=True, capture_output=True, text=True
        )
        peaks.append(int(ended.stdout))
    # In KiB. 380 frames kept would take 85 MiB; peaks of equal runs differ by up to 2 MiB.
    assert peaks[1] - peaks[0] < 10 * 1024


def test_equal_videos_give_equal_pictures(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4", _noisy(5))
    for first, second in zip(video_frames(path), video_frames(path), strict=True):
        np.testing.assert_array_equal(first.image, second.image)


@EACH_CONTAINER
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_video_that_is_cut_off_is_refused_and_what_came_before_is_counted(
    tmp_path: Path, name: str, codec: str, pixels: str, kept: float
) -> None:
    # Index first, where the container can: else nothing of a cut mp4 could be decoded.
    options = {"movflags": "faststart"} if name.endswith(("mp4", "mov")) else {}
    path = _write(tmp_path / name, _noisy(30), codec, pixels, container_options=options)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    count, error = _decoded_before_the_break(path)
    assert 0 < count < 30
    assert f"{name}: is cut off: it has {int(kept * len(content)):,} of " in str(error)
    assert f"; {count:,} frames ({(count - 1) / 30:.2f} s) could be decoded before" in str(error)


@EACH_CONTAINER
def test_one_missing_byte_is_enough(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = _write(tmp_path / name, _noisy(4), codec, pixels)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VideoError, match="is cut off"):
        list(video_frames(path))


def test_a_live_webm_that_is_cut_off_within_a_block_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.webm", _noisy(30), "libvpx", container_options={"live": "1"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    count, error = _decoded_before_the_break(path)
    assert 0 < count < 30
    assert "is cut off" in str(error)


def test_an_mp4_that_lost_its_index_says_how_much_is_missing(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4", _noisy(30))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match=r"a\.mp4: is cut off: it has [\d,]+ of [\d,]+ bytes"):
        next(video_frames(path))


@EACH_CONTAINER
def test_a_video_that_is_damaged_in_the_middle_is_refused(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    path = _write(tmp_path / name, _noisy(30), codec, pixels)
    content = bytearray(path.read_bytes())
    middle = slice(len(content) * 2 // 5, len(content) * 3 // 5)
    content[middle] = bytes(255 - byte for byte in content[middle])
    path.write_bytes(content)
    count, error = _decoded_before_the_break(path)
    assert count < 30
    assert "is damaged" in str(error)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty: 0 bytes"),
        (b"time,AU4\n0.0,1.5\n", "is text, not a video"),
        ("Überraschung\n".encode(), "is text, not a video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "is a PNG picture, not a video"),
        (b"PK\x03\x04" + bytes(40), "is a zip archive, not a video"),
        (b"#EXTM3U\n", "is a playlist, not a video"),
        (bytes(1000), "holds no video that can be read"),
        (b"\x1aE\xdf\xa3" + bytes(100), "is damaged at byte|holds no video"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt " + bytes(8), "holds no video that can be read"),
    ],
)
def test_what_is_no_video_is_refused_and_named(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=rf"^clip\.mp4: ({found}) .*leave the clip out"):
        next(video_frames(tmp_path / "clip.mp4"))


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        next(video_frames(tmp_path / "clip.mp4"))
    with pytest.raises(VideoError, match="is no file"):
        next(video_frames(tmp_path))


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.avi", "pcm_s16le")])
def test_sound_alone_is_refused(tmp_path: Path, name: str, codec: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=44100)
        samples = av.AudioFrame(format="s16", layout="mono", samples=44100)
        samples.sample_rate = 44100
        samples.planes[0].update(bytes(2 * 44100))
        resampled = av.AudioResampler(stream.format.name, "mono", 44100, 1024)
        for frame in resampled.resample(samples):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="holds no video, only audio"):
        next(video_frames(tmp_path / name))


def test_an_unknown_code_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4", [_grey(1)])
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(VideoError, match="in a code that is not known"):
        next(video_frames(path))


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_a_title_in_another_alphabet_does_no_harm(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        container.metadata["title"] = "a title here"
        stream = container.add_stream("mjpeg", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(_grey(100), format="rgb24")))
        container.mux(stream.encode())
    content = (tmp_path / name).read_bytes()
    assert b"a title here" in content
    (tmp_path / name).write_bytes(content.replace(b"a title here", b"\xe4 title here"))
    assert len(list(video_frames(tmp_path / name))) == 1


def _with_its_third_frame_at(path: Path, milliseconds: int) -> Path:
    images = [_grey(level) for level in GREY_LEVELS[:4]]
    _write(path, images, "mjpeg", "yuvj420p", milliseconds=[0, 33, 66, 99])
    # A block begins with its track and its time in the cluster.
    before, after = (bytes([0x81, 0x00, time, 0x80]) for time in (66, milliseconds))
    assert path.read_bytes().count(before) == 1
    path.write_bytes(path.read_bytes().replace(before, after))
    return path


def test_times_that_go_back_are_refused(tmp_path: Path) -> None:
    count, error = _decoded_before_the_break(_with_its_third_frame_at(tmp_path / "a.mkv", 20))
    assert count == 2
    assert "its times go back after 0.033 s; 2 frames (0.03 s)" in str(error)


def test_of_frames_at_the_same_time_the_first_is_taken(tmp_path: Path) -> None:
    frames = list(video_frames(_with_its_third_frame_at(tmp_path / "a.mkv", 33)))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.033, 0.099])
    levels = [frame.image.mean() for frame in frames]
    wanted = [GREY_LEVELS[0], GREY_LEVELS[1], GREY_LEVELS[3]]
    np.testing.assert_allclose(levels, wanted, atol=8)  # as above


def test_a_name_that_looks_like_an_address_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "a.mp4", [_grey(1)]).rename(tmp_path / "http:clip.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(video_frames(Path("http:clip.mp4")))) == 1


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_list_of_videos_elsewhere_makes_no_connection(tmp_path: Path) -> None:
    called = threading.Event()

    def wait_for_a_call(server: socket.socket) -> None:
        server.accept()[0].close()
        called.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = threading.Thread(target=wait_for_a_call, args=(server,))
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        path = tmp_path / "clip.mp4"
        path.write_text(f"ffconcat version 1.0\nfile '{address}'\n")
        with pytest.raises(VideoError, match="is text, not a video"):
            next(video_frames(path))
        assert not called.is_set()
        # The same, opened without precautions, does call: so this test can fail.
        careless = {"safe": "0", "protocol_whitelist": "file,http,tcp"}
        with pytest.raises((av.FFmpegError, OSError)), av.open(str(path), options=careless):
            pass
        thread.join()
    assert called.is_set()
