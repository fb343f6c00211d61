module sample.rivers {
    requires dev.chasqui;
}
